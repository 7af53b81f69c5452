"""A device segment as a sequence of kernel calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ncc.backends.cpu.alone import lone_calls
from ncc.backends.cpu.attention import AttentionKernel, Shapes
from ncc.backends.cpu.borders import fill_border, prepare_border
from ncc.backends.cpu.builder import Call
from ncc.backends.cpu.depthwise import is_depthwise
from ncc.backends.cpu.inside import product_calls
from ncc.backends.cpu.layout import Layout, outer_operand, own_inputs, root_of, view_of
from ncc.backends.cpu.nest import is_nest, nest
from ncc.backends.cpu.orders import channels_last, order_to_reshape, taps_first
from ncc.backends.cpu.packing import Widths, by_cost, packed_at_run_time, packed_weight
from ncc.backends.cpu.placing import assign
from ncc.backends.cpu.products import (
    Packed,
    Product,
    conv_product,
    matmul_product,
    spare_channels,
)
from ncc.backends.cpu.refine import may_refine, refined, refined_body
from ncc.backends.cpu.repeats import Repeats
from ncc.backends.cpu.rules import ALONE
from ncc.backends.cpu.scattering import scatter
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.views import Memory, Space, View, dense_strides, io_view, same_elements
from ncc.backends.cpu.weights import WeightTable
from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.scatter import ScatterElements, ScatterND
from ncc.ir.types import TensorType
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
        self.layout: Layout = assign(graph, self.constant, target)
        self.calls: list[Call] = []
        self.repeats = Repeats()
        self.joined: dict[Value, Node] = {}
        """Reshapes that would take a copy, until a reader needs one."""
        self.views: dict[Value, View] = {}
        self.results = [
            io_view(value.tensor, len(graph.inputs) + index)
            for index, value in enumerate(graph.outputs)
        ]
        self.views.update(
            (value, io_view(value.tensor, index)) for index, value in enumerate(graph.inputs)
        )

    def run(self) -> list[Call]:
        for node in self.graph.nodes:
            if node.results[0] not in self.constant:
                self._node(node)
        for value, result in zip(self.graph.outputs, self.results, strict=True):
            if not same_elements(self._view(value), result):
                self._copy(self._view(value), result, value.node.locs if value.node else ())
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
            self._alias(node)
        elif any(value.tensor.size for value in node.results):
            self._fused(node, node.op)
        else:
            for value in node.results:
                self._storage(value)

    # Views of memory

    def _view(self, value: Value) -> View:
        """Where the elements of `value` lie."""
        if value in self.joined:
            self.views[value] = self._copied_view(self.joined.pop(value))
        if value not in self.views:
            assert value in self.constant, f"{value} is read before it is computed"
            self.views[value] = self.table.view(value)
        return self.views[value]

    def _storage(self, value: Value) -> View:
        """Memory for a value that a call is about to write."""
        if value not in self.views:
            self.views[value] = self._new_storage(value)
        return self.views[value]

    def _new_storage(self, value: Value) -> View:
        type = value.tensor
        if value in self.layout.direct:
            whole = self.results[self.layout.direct[value]]
            strides = dense_strides(type.dims, self.layout.order[value])
            return replace(whole, shape=type.dims, strides=strides)
        if value in self.layout.place:
            place = self.layout.place[value]
            seen = place.seen_in(self._storage(place.parent))
            if seen is not None:
                return seen
        low, high = self.layout.halo.get(value, _nothing(value))
        inner, whole = self._allocate(value, self.layout.order[value], low, high)
        around = list(high)
        if any(high):
            around[self.layout.order[value][-1]] -= self._zeros(value.node)
        self._zeros_around(whole, low, around, value.node.locs if value.node else ())
        return inner

    def _zeros(self, node: Node | None) -> int:
        """The zeros after each run of the only result of a nest, which stores them as well."""
        if node is None or len(node.results) != 1 or not is_nest(node):
            return 0
        halo = self.layout.halo.get(node.result)
        return halo[1][self.layout.order[node.result][-1]] if halo else 0

    def _allocate(
        self, value: Value, order: Sequence[int], low: Sequence[int], high: Sequence[int]
    ) -> tuple[View, View]:
        """A new memory for `value` with room around it: the view of the value, and of all."""
        type = value.tensor
        shape = tuple(map(sum, zip(type.dims, low, high, strict=True)))
        memory = Memory(Space.arena, math.prod(shape) * type.dtype.itemsize)
        whole = View(memory, type.dtype, shape, dense_strides(shape, order))
        return whole.sliced(low, type.dims, [1] * type.rank), whole

    # Calls

    def _copy(self, source: View, into: View, locs: Locs, zeros: int = 0) -> None:
        if not into.size:
            return
        value = Value(TensorType(source.dtype, source.shape))
        body = Graph("copy", [value], [], [value])
        self._nest(body, [source], [into], locs, 0, zeros)

    def _nest(
        self,
        body: Graph,
        inputs: Sequence[View],
        outputs: Sequence[View],
        locs: Locs,
        flops: int,
        zeros: int,
    ) -> None:
        def make() -> Call:
            return nest(body, inputs, outputs, self.target, locs, flops, zeros=zeros)

        self.calls.append(self.repeats.call(body, inputs, outputs, zeros, locs, flops, make))

    def _zeros_around(
        self, whole: View, low: Sequence[int], high: Sequence[int], locs: Locs
    ) -> None:
        if any((*low, *high)):
            self.calls.append(prepare_border(whole, low, high, 0, locs))

    def _alias(self, node: Node) -> None:
        source = node.operands[0]
        seen = view_of(node, self._view(source))
        if seen is None and may_refine(self.graph, node.result):
            self.joined[node.result] = node
        else:
            self.views[node.result] = seen or self._copied_view(node)

    def _copied_view(self, node: Node) -> View:
        """The result of a view op that takes a copy of its operand."""
        (source,) = node.operands
        order = self.layout.copies.get(node) or order_to_reshape(
            self._view(source), node.result.tensor.dims
        )
        dense = self._copied(node, source, order)
        self._copy(self._view(source), dense, node.locs)
        seen = view_of(node, dense)
        assert seen is not None
        return seen

    def _copied(self, node: Node, source: Value, order: Sequence[int]) -> View:
        """Memory for the copy of its operand that a view takes."""
        place = self.layout.place_of_copy.get(node)
        seen = place.seen_in(self._storage(place.parent)) if place else None
        if seen is not None:
            return seen
        if node not in self.layout.direct_copies:
            return self._allocate(source, order, *_nothing(source))[0]
        whole, dims = self.results[self.layout.direct_copies[node]], source.tensor.dims
        return replace(whole, shape=dims, strides=dense_strides(dims, order))

    def _concat(self, node: Node, op: Concat) -> None:
        whole = self._storage(node.result)
        start = 0
        for value in node.operands:
            first = [0] * value.tensor.rank
            first[op.axis] = start
            start += value.tensor.dims[op.axis]
            self._put(value, whole.sliced(first, value.tensor.dims, [1] * len(first)), node)

    def _pad(self, node: Node, op: Pad) -> None:
        whole = self._storage(node.result)
        self.calls.append(fill_border(whole, op.low, op.high, op.value, node.locs))
        dims = node.operands[0].tensor.dims
        self._put(node.operands[0], whole.sliced(op.low, dims, [1] * len(dims)), node)

    def _scatter(self, node: Node, op: ScatterElements | ScatterND) -> None:
        x, *others = node.operands
        into = self._storage(node.result)
        self._put(x, into, node)
        indices, updates = map(self._view, others)
        if updates.size and into.size:
            self.calls.append(scatter(op, into, indices, updates).call(node.locs))

    def _alone(self, node: Node) -> None:
        results = [self._storage(value) for value in node.results]
        self.calls += lone_calls(node, [self._view(value) for value in node.operands], results)

    def _put(self, value: Value, into: View, node: Node) -> None:
        """Copy an operand into its place, unless it was computed there."""
        if not same_elements(self._view(value), into):
            self._copy(self._view(value), into, node.locs)

    def _fused(self, node: Node, op: Fused) -> None:
        root = root_of(node)
        if root is None or is_depthwise(root):
            if self._refined(node, op):
                return
            inputs = [self._nest_input(node, value, root) for value in node.operands]
            outputs = [self._storage(value) for value in node.results]
            self._nest(op.body, inputs, outputs, node.locs, node.flops, self._zeros(node))
        elif attention := attention_of(op.body):
            self._attention(node, op, attention)
        else:
            self._product(node, op, root)

    def _refined(self, node: Node, op: Fused) -> bool:
        """Write a kernel over the axes that one of its operands had, if that saves the copy."""
        joined = next((value for value in node.operands if value in self.joined), None)
        if joined is None:
            return False
        (source,) = self.joined[joined].operands
        domain, dims = joined.tensor.dims, source.tensor.dims
        views = [
            self._view(source) if value is joined else refined(self._view(value), domain, dims)
            for value in node.operands
        ]
        views += [refined(self._storage(value), domain, dims) for value in node.results]
        found = [view for view in views if view is not None]
        if len(found) < len(views):
            return False
        body, count = refined_body(op.body, dims), len(node.operands)
        inputs, outputs, zeros = found[:count], found[count:], self._zeros(node)
        self._nest(body, inputs, outputs, node.locs, node.flops, zeros)
        return True

    def _nest_input(self, node: Node, value: Value, root: Node | None) -> View:
        if root is None:
            return self._view(value)
        assert isinstance(root.op, Conv)
        if value is outer_operand(node, root.operands[0]):
            return self._padded(value, root.op, node.locs)
        if value is outer_operand(node, root.operands[1]) and value in self.constant:
            wide = Builder()(Cast(value.tensor.dtype.compute), value)
            return self.table.view(wide, (*range(2, value.tensor.rank), 1, 0))
        return self._view(value)

    def _padded(self, value: Value, op: Conv, locs: Locs, spare: int = 0) -> View:
        """`value` with channels of stride 1 and the convolution's zeros around it.

        After its channels are `spare` ones of zeros.
        """
        low, high = (0, 0, *op.low), (0, spare, *op.high)
        view = self._view(value)
        held_low, held_high = self.layout.halo.get(value, _nothing(value))
        roomy = all(map(int.__le__, low, held_low)) and all(map(int.__le__, high, held_high))
        if roomy and (view.strides[1] == 1 or view.shape[1] == 1):
            return view
        inner, whole = self._allocate(value, channels_last(len(low)), low, high)
        self._zeros_around(whole, low, (*high[:1], 0, *high[2:]), locs)
        self._copy(view, inner, locs, spare)
        return inner

    def _attention(self, node: Node, op: Fused, attention: Attention) -> None:
        scores, context = attention.scores, attention.context
        queries, keys, values = (
            outer_operand(node, value) for value in (*scores.operands, context.operands[1])
        )
        shapes = Shapes(attention, self._summed_last(queries, node.locs), self.target)
        packed = (
            self._panels(keys, shapes.scores, node.locs),
            self._panels(values, shapes.context, node.locs),
        )
        read = self._read(node, op, (scores, context))
        inputs = {value: view for value, view in read.items() if view is not None}
        outputs = [self._storage(value) for value in node.results]
        kernel = AttentionKernel(op.body, attention, shapes, packed, inputs, outputs, self.target)
        self.calls.append(replace(kernel.call(), locs=node.locs, flops=node.flops))

    def _read(self, node: Node, op: Fused, products: Sequence[Node]) -> dict[Value, View | None]:
        """Where the inputs of a body lie; None for those that only `products` read."""
        own = own_inputs(op.body, products)
        return {
            inner: None if inner in own else self._view(value)
            for inner, value in zip(op.body.inputs, node.operands, strict=True)
        }

    def _product(self, node: Node, op: Fused, root: Node) -> None:
        left, right = (outer_operand(node, value) for value in root.operands)
        product = self._left(node, root, left, right)
        conv = root.op if isinstance(root.op, Conv) else None
        nr = self.widths(root, product.columns, right.tensor.dtype)
        if right in self.constant:
            packed = packed_weight(right, conv, product, self.target, self.table, nr)
        else:
            packed, fill = packed_at_run_time(
                self._right(right, conv, node.locs), conv, product, self.target, node.locs, nr
            )
            self.calls.append(fill)
        inputs = list(self._read(node, op, (root,)).values())
        outputs = [self._storage(value) for value in node.results]
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
        packed, fill = packed_at_run_time(self._view(right), None, product, self.target, locs)
        self.calls.append(fill)
        return packed

    def _left(self, node: Node, root: Node, left: Value, right: Value) -> Product:
        result = root.result.tensor.dims
        if isinstance(root.op, Conv):
            constant = right in self.constant
            spare = spare_channels(root.op, left.tensor, self.target) if constant else 0
            view = self._padded(left, root.op, node.locs, spare)
            outputs, channels, *taps = right.tensor.dims
            return conv_product(root.op, view, (outputs, channels + spare, *taps), result)
        return matmul_product(self._summed_last(left, node.locs), right.tensor.dims, result)

    def _summed_last(self, left: Value, locs: Locs) -> View:
        """A left operand whose last axis, which is summed, has stride 1."""
        view = self._view(left)
        if view.strides[-1] == 1 or view.shape[-1] == 1:
            return view
        dense, _ = self._allocate(left, range(left.tensor.rank), *_nothing(left))
        self._copy(view, dense, locs)
        return dense

    def _right(self, right: Value, conv: Conv | None, locs: Locs) -> View:
        """A computed right operand as [..., K, N]; filters are copied with their taps first."""
        view = self._view(right)
        if conv is None:
            return view
        arranged = taps_first(view, conv.groups)
        dense = arranged.anew()
        self._copy(arranged, dense, locs)
        groups, *summed, columns = arranged.shape
        matrix = dense.reshaped((groups, math.prod(summed), columns))
        assert matrix is not None
        return matrix


def _nothing(value: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
    none = (0,) * value.tensor.rank
    return none, none
