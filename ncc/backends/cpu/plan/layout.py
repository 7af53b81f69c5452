"""Where each value will lie: the order of its axes, zeros around it, and whose memory it shares.

Decided for the whole graph before any kernel is written. A convolution reads and writes its
channels fastest; what follows keeps that order until a view or a graph output asks for another.
A value that convolutions pad is surrounded by its padding from the start. An operand of a concat
(or pad) is computed in its place in the result where both agree on the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ncc.backends.cpu.rules import ALONE, PLACEMENTS
from ncc.backends.cpu.storage.orders import Order, channels_last, order_of, order_to_reshape
from ncc.backends.cpu.storage.views import View, dense_view
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose

Halo = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the memory of `parent`, from index `first` on, of this shape.

    `path` are the views, reshapes and transposes, that lead from the value placed to that shape.
    """

    parent: Value
    first: tuple[int, ...]
    shape: tuple[int, ...]
    path: tuple[Node, ...] = ()

    def seen_in(self, whole: View) -> View | None:
        """The view of the value in that of the parent; None if it takes a copy after all."""
        seen: View | None = whole.sliced(self.first, self.shape, [1] * len(self.shape))
        for node in reversed(self.path):
            if seen is None:
                return None
            op = node.op
            if isinstance(op, Transpose):
                back = sorted(range(len(op.perm)), key=lambda axis: op.perm[axis])
                seen = seen.transposed(back)
            else:
                seen = seen.reshaped(node.operands[0].tensor.dims)
        return seen


@dataclass
class Layout:
    """`halo` holds the zeros before and after a value, per axis."""

    order: dict[Value, Order] = field(default_factory=dict)
    halo: dict[Value, Halo] = field(default_factory=dict)
    place: dict[Value, Place] = field(default_factory=dict)
    direct: dict[Value, int] = field(default_factory=dict)
    """Values that are computed right into a graph output, with its index."""
    copies: dict[Node, Order] = field(default_factory=dict)
    """Views that take a copy of their operand, and the order of its axes in the copy."""
    direct_copies: dict[Node, int] = field(default_factory=dict)
    """Those whose copy is made in a graph output, with its index."""
    place_of_copy: dict[Node, Place] = field(default_factory=dict)
    """Those whose copy is made in the memory of another value."""


def root_of(node: Node) -> Node | None:
    """The convolution or matmul that a fused node is built on."""
    if not isinstance(node.op, Fused):
        return None
    found = (inner for inner in node.op.body.nodes if isinstance(inner.op, Conv | MatMul))
    return next(found, None)


def view_of(node: Node, view: View) -> View | None:
    """The result of a view op as a view of its operand; None when it takes a copy."""
    op = node.op
    if isinstance(op, Transpose):
        return view.transposed(op.perm)
    if isinstance(op, Slice):
        return view.sliced(op.starts, node.result.tensor.dims, op.steps)
    if isinstance(op, BroadcastTo):
        return view.broadcast(node.result.tensor.dims)
    assert isinstance(op, Reshape)
    return view.reshaped(node.result.tensor.dims)


def seen_through(path: Sequence[Node], view: View) -> View | None:
    """`view` through one view op after the other."""
    seen: View | None = view
    for node in path:
        if seen is not None:
            seen = view_of(node, seen)
    return seen


def assign_orders(
    graph: Graph, nodes: Sequence[Node], constant: set[Value], layout: Layout
) -> None:
    """Decide `order` and `copies`."""
    outputs = set(graph.outputs)
    convolved = _convolved(nodes)
    models: dict[Value, View] = {value: dense_model(value) for value in graph.inputs}
    for node in nodes:
        if not isinstance(node.op, (Fused, *PLACEMENTS, *ALONE)):
            source = node.operands[0]
            model = models.get(source) or dense_model(source)
            seen = view_of(node, model)
            if seen is None:
                layout.copies[node] = (
                    tuple(range(source.tensor.rank))
                    if node.result in outputs
                    else order_to_reshape(model, node.result.tensor.dims)
                )
                seen = view_of(node, dense_model(source, layout.copies[node]))
                assert seen is not None
            models[node.result] = seen
            continue
        sources = [models[value] for value in node.operands if value not in constant]
        for value in node.results:
            order = _order(node, value, sources, outputs)
            reader = _only_transpose(graph, value, convolved)
            if reader is not None and _is_identity(order):
                order = _order_for(node, reader, order)
            free = root_of(node) is None and value not in outputs
            if free and value in convolved and _is_identity(order):
                order = channels_last(len(order))
            layout.order[value] = order
            models[value] = dense_model(value, order)


def _is_identity(order: Order) -> bool:
    return order == tuple(range(len(order)))


def _convolved(nodes: Sequence[Node]) -> set[Value]:
    """What convolutions read, and what is placed or computed elementwise to be that alone."""
    found: set[Value] = set()
    for node in reversed(nodes):
        root = root_of(node)
        if root is not None and isinstance(root.op, Conv):
            found.add(outer_operand(node, root.operands[0]))
        elif isinstance(node.op, PLACEMENTS) and node.result in found:
            found.update(node.operands)
    return found


def dense_model(value: Value, order: Order | None = None) -> View:
    """A dense view of `value` in no particular memory."""
    return dense_view(value.tensor.dtype, value.tensor.dims, order)


def _order(node: Node, value: Value, sources: Sequence[View], outputs: set[Value]) -> Order:
    rank = value.tensor.rank
    identity = tuple(range(rank))
    root = root_of(node)
    if root is not None and isinstance(root.op, Conv):
        return channels_last(rank) if root.result.tensor.rank == rank else identity
    if root is not None or value in outputs:
        return identity
    alike = [view for view in sources if len(view.shape) == rank and view.size]
    alike.sort(key=lambda view: (-view.size, view.is_dense()))
    return order_of(alike[0]) if alike else identity


def _only_transpose(graph: Graph, value: Value, convolved: set[Value]) -> Transpose | None:
    """The transpose that is the only reader of `value`, unless a convolution reads that."""
    readers = graph.uses.get(value, ())
    if len(readers) == 1 == graph.readers(value) and isinstance(readers[0].op, Transpose):
        return None if readers[0].result in convolved else readers[0].op
    return None


def _order_for(node: Node, reader: Transpose, order: Order) -> Order:
    """The order that makes the transposed value dense, if the node can write it as well."""
    if root_of(node) is not None and reader.perm[-1] != order[-1]:
        return order
    return reader.perm


def outer_operand(node: Node, inner: Value) -> Value:
    """The operand of a fused node that an input of its body stands for."""
    assert isinstance(node.op, Fused)
    return node.operands[node.op.body.inputs.index(inner)]


def own_inputs(body: Graph, products: Sequence[Node]) -> set[Value]:
    """What nothing in `body` reads but `products`."""
    others = (node for node in body.nodes if node not in products)
    shared = {value for node in others for value in node.operands}
    return {value for node in products for value in node.operands} - shared
