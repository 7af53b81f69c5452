"""A device segment as a sequence of kernel calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ncc.backends.cpu.kernels.alone import lone_calls
from ncc.backends.cpu.kernels.attention import AttentionKernel, Shapes
from ncc.backends.cpu.kernels.borders import fill_border
from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.depthwise import is_depthwise
from ncc.backends.cpu.kernels.inside import product_calls
from ncc.backends.cpu.kernels.packing import (
    Widths,
    blocks_for,
    by_cost,
    packed_at_run_time,
    packed_blocks,
    packed_weight,
)
from ncc.backends.cpu.kernels.products import (
    Packed,
    Product,
    conv_product,
    matmul_product,
    spare_channels,
)
from ncc.backends.cpu.kernels.refine import refined, refined_body
from ncc.backends.cpu.kernels.scattering import scatter
from ncc.backends.cpu.plan.layout import outer_operand, own_inputs, root_of
from ncc.backends.cpu.plan.warm import warm_weights
from ncc.backends.cpu.rules import ALONE
from ncc.backends.cpu.storage.views import (
    View,
    same_elements,
)
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.values import Values
from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.scatter import ScatterElements, ScatterND
from ncc.passes.attention import Attention, attention_of
from ncc.passes.fuse import constant_values


def lower(graph: Graph, target: Target, table: WeightTable, widths: Widths = by_cost) -> list[Call]:
    """The calls that compute `graph`, in order; weights go into `table`.

    Inputs are io 0.., outputs the io after them, all dense.
    """
    return _Lowering(graph, target, table, widths).run()


class _Lowering:
    def __init__(self, graph: Graph, target: Target, table: WeightTable, widths: Widths) -> None:
        self.graph = graph
        self.target = target
        self.table = table
        self.widths = widths
        self.constant = constant_values(graph)
        self.warm = warm_weights(graph, self.constant, target)
        self.values = Values(graph, target, self.constant, table)
        self.calls = self.values.calls

    def run(self) -> list[Call]:
        for node in self.graph.nodes:
            if node.results[0] not in self.constant:
                self._node(node)
        for value, result in zip(self.graph.outputs, self.values.results, strict=True):
            if not same_elements(self.values.view(value), result):
                self.values.copy(
                    self.values.view(value), result, value.node.locs if value.node else ()
                )
        return self.calls

    def _node(self, node: Node) -> None:
        if isinstance(node.op, Concat):
            self._concat(node, node.op)
        elif isinstance(node.op, Pad):
            self._pad(node, node.op)
        elif isinstance(node.op, ScatterElements | ScatterND):
            self._scatter(node, node.op)
        elif isinstance(node.op, ALONE):
            self._alone(node)
        elif not isinstance(node.op, Fused):
            self.values.alias(node)
        elif any(value.tensor.size for value in node.results):
            self._fused(node, node.op)
        else:
            for value in node.results:
                self.values.storage(value)

    def _concat(self, node: Node, op: Concat) -> None:
        whole = self.values.storage(node.result)
        start = 0
        for value in node.operands:
            first = [0] * value.tensor.rank
            first[op.axis] = start
            start += value.tensor.dims[op.axis]
            self.values.put(
                value, whole.sliced(first, value.tensor.dims, [1] * len(first)), node.locs
            )

    def _pad(self, node: Node, op: Pad) -> None:
        whole = self.values.storage(node.result)
        self.calls.append(fill_border(whole, op.low, op.high, op.value, node.locs))
        dims = node.operands[0].tensor.dims
        self.values.put(node.operands[0], whole.sliced(op.low, dims, [1] * len(dims)), node.locs)

    def _scatter(self, node: Node, op: ScatterElements | ScatterND) -> None:
        x, *others = node.operands
        into = self.values.storage(node.result)
        self.values.put(x, into, node.locs)
        indices, updates = map(self.values.view, others)
        if updates.size and into.size:
            self.calls.append(scatter(op, into, indices, updates).call(node.locs))

    def _alone(self, node: Node) -> None:
        results = [self.values.storage(value) for value in node.results]
        self.calls += lone_calls(
            node, [self.values.view(value) for value in node.operands], results
        )

    def _fused(self, node: Node, op: Fused) -> None:
        root = root_of(node)
        if root is None or is_depthwise(root):
            if self._refined(node, op):
                return
            inputs = [self._nest_input(node, value, root) for value in node.operands]
            outputs = [self.values.storage(value) for value in node.results]
            self.values.nest(
                op.body, inputs, outputs, node.locs, node.flops, self.values.zeros(node)
            )
        elif attention := attention_of(op.body):
            self._attention(node, op, attention)
        else:
            self._product(node, op, root)

    def _refined(self, node: Node, op: Fused) -> bool:
        """Write a kernel over the axes that one of its operands had, if that saves the copy."""
        joined = next((value for value in node.operands if value in self.values.joined), None)
        if joined is None:
            return False
        (source,) = self.values.joined[joined].operands
        domain, dims = joined.tensor.dims, source.tensor.dims
        views = [
            self.values.view(source)
            if value is joined
            else refined(self.values.view(value), domain, dims)
            for value in node.operands
        ]
        views += [refined(self.values.storage(value), domain, dims) for value in node.results]
        found = [view for view in views if view is not None]
        if len(found) < len(views):
            return False
        body, count = refined_body(op.body, dims), len(node.operands)
        inputs, outputs, zeros = found[:count], found[count:], self.values.zeros(node)
        self.values.nest(body, inputs, outputs, node.locs, node.flops, zeros)
        return True

    def _nest_input(self, node: Node, value: Value, root: Node | None) -> View:
        if root is None:
            return self.values.view(value)
        assert isinstance(root.op, Conv)
        if value is outer_operand(node, root.operands[0]):
            return self.values.padded(value, root.op, node.locs)
        if value is outer_operand(node, root.operands[1]) and value in self.constant:
            wide = Builder()(Cast(value.tensor.dtype.compute), value)
            return self.table.view(wide, (*range(2, value.tensor.rank), 1, 0))
        return self.values.view(value)

    def _attention(self, node: Node, op: Fused, attention: Attention) -> None:
        scores, context = attention.scores, attention.context
        queries, keys, values = (
            outer_operand(node, value) for value in (*scores.operands, context.operands[1])
        )
        shapes = Shapes(attention, self.values.summed_last(queries, node.locs), self.target)
        packed = (
            self._panels(keys, shapes.scores, node.locs),
            self._panels(values, shapes.context, node.locs),
        )
        read = self._read(node, op, (scores, context))
        inputs = {value: view for value, view in read.items() if view is not None}
        outputs = [self.values.storage(value) for value in node.results]
        kernel = AttentionKernel(op.body, attention, shapes, packed, inputs, outputs, self.target)
        self.calls.append(replace(kernel.call(), locs=node.locs, flops=node.flops))

    def _read(self, node: Node, op: Fused, products: Sequence[Node]) -> dict[Value, View | None]:
        """Where the inputs of a body lie; None for those that only `products` read."""
        own = own_inputs(op.body, products)
        return {
            inner: None if inner in own else self.values.view(value)
            for inner, value in zip(op.body.inputs, node.operands, strict=True)
        }

    def _product(self, node: Node, op: Fused, root: Node) -> None:
        left, right = (outer_operand(node, value) for value in root.operands)
        product = self._left(node, root, left, right)
        conv = root.op if isinstance(root.op, Conv) else None
        nr = self.widths(root, product.columns, right.tensor.dtype)
        constant = right in self.constant
        if constant and conv is None and (blocks := blocks_for(right, product)):
            product = product.in_blocks(blocks.size)
            packed = packed_blocks(blocks, product, self.target, self.table, nr)
        elif constant:
            packed = packed_weight(right, conv, product, self.target, self.table, nr)
            packed = replace(packed, warm=right in self.warm)
        else:
            packed, fill = packed_at_run_time(
                self.values.taps_first(right, conv, node.locs),
                conv,
                product,
                self.target,
                node.locs,
                nr,
            )
            self.calls.append(fill)
        inputs = list(self._read(node, op, (root,)).values())
        outputs = [self.values.storage(value) for value in node.results]
        self.calls += product_calls(
            op.body,
            root,
            product,
            packed,
            inputs,
            outputs,
            self.target,
            node.locs,
            node.flops,
        )

    def _panels(self, right: Value, product: Product, locs: Locs) -> Packed:
        """A computed right operand of a matmul in panels."""
        packed, fill = packed_at_run_time(self.values.view(right), None, product, self.target, locs)
        self.calls.append(fill)
        return packed

    def _left(self, node: Node, root: Node, left: Value, right: Value) -> Product:
        result = root.result.tensor.dims
        if isinstance(root.op, Conv):
            constant = right in self.constant
            spare = spare_channels(root.op, left.tensor, self.target) if constant else 0
            view = self.values.padded(left, root.op, node.locs, spare)
            outputs, channels, *taps = right.tensor.dims
            return conv_product(root.op, view, (outputs, channels + spare, *taps), result)
        return matmul_product(self.values.summed_last(left, node.locs), right.tensor.dims, result)
