"""Whose memory a value is computed in: an output's, its padding's, that of what it is a part of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ncc.backends.cpu.kernels.products import spare_channels
from ncc.backends.cpu.plan.layout import (
    Layout,
    Place,
    assign_orders,
    dense_model,
    outer_operand,
    root_of,
    seen_through,
    view_of,
)
from ncc.backends.cpu.storage.orders import channels_last, order_of
from ncc.backends.cpu.target import Target
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose

MOVED = (Reshape, Transpose)
"""Views of all of their operand."""


def assign(graph: Graph, constant: set[Value], target: Target) -> Layout:
    """The layout of every value that a device segment computes."""
    layout = Layout()
    nodes = [node for node in graph.nodes if node.results[0] not in constant]
    assign_orders(graph, nodes, constant, layout)
    _assign_outputs(graph, layout)
    _assign_halos(nodes, constant, layout, target)
    _assign_places(nodes, layout)
    return layout


def _stored(value: Value, layout: Layout) -> tuple[Value, list[Node]]:
    """The value in whose memory `value` is, and the views that lead from there to it."""
    path: list[Node] = []
    while (
        value.node is not None
        and value not in layout.order
        and isinstance(value.node.op, MOVED)
        and value.node not in layout.copies
    ):
        path.append(value.node)
        value = value.node.operands[0]
    return value, path[::-1]


def _assign_outputs(graph: Graph, layout: Layout) -> None:
    """Let values be computed where the caller wants them."""
    for index, output in enumerate(graph.outputs):
        value, path = _stored(output, layout)
        if value.node in layout.copies:
            _assign_copied_output(value.node, path, index, layout)
        elif value in layout.order and value not in layout.direct:
            seen = seen_through(path, dense_model(value, layout.order[value]))
            if seen is not None and seen.is_dense():
                layout.direct[value] = index


def _assign_copied_output(node: Node, path: Sequence[Node], index: int, layout: Layout) -> None:
    source = node.operands[0]
    seen = view_of(node, dense_model(source, layout.copies[node]))
    moved = None if seen is None else seen_through(path, seen)
    if node not in layout.direct_copies and moved is not None and moved.is_dense():
        layout.direct_copies[node] = index


def _assign_halos(
    nodes: Iterable[Node], constant: set[Value], layout: Layout, target: Target
) -> None:
    found: list[tuple[Value, Value, tuple[int, ...]]] = []
    for node in nodes:
        root = root_of(node)
        if root is None or not isinstance(root.op, Conv):
            continue
        value, filters = (outer_operand(node, operand) for operand in root.operands[:2])
        spare = spare_channels(root.op, value.tensor, target) if filters in constant else 0
        low, high = (0, 0, *root.op.low), (0, spare, *root.op.high)
        stored, axes = _transposed(_uncut(value), layout)
        wanted = tuple(axes[axis] for axis in channels_last(len(low)))
        if not any(low + high) or layout.order.get(stored) != wanted or stored in layout.direct:
            continue
        before, after = _back(low, axes), _back(high, axes)
        held = layout.halo.get(stored, (before, after))
        layout.halo[stored] = (
            tuple(map(max, before, held[0])),
            tuple(map(max, after, held[1])),
        )
        found.append((value, stored, axes))
    for value, stored, axes in found:
        held = layout.halo[stored]
        layout.halo[value] = (_along(held[0], axes), _along(held[1], axes))


def _uncut(value: Value) -> Value:
    """What `value` is some rows of, if it is: zeros around rows lie around all of them as well."""
    if value.node is None or not isinstance(value.op, Slice):
        return value
    whole = value.node.operands[0]
    same = value.tensor.dims[1:] == whole.tensor.dims[1:]
    return whole if same and all(step == 1 for step in value.op.steps) else value


def _transposed(value: Value, layout: Layout) -> tuple[Value, tuple[int, ...]]:
    """The value that `value` is a transposition of, and which axis of it is each of `value`."""
    stored, path = _stored(value, layout)
    axes = tuple(range(stored.tensor.rank))
    for node in path:
        if not isinstance(node.op, Transpose):
            return value, tuple(range(value.tensor.rank))
        axes = tuple(axes[axis] for axis in node.op.perm)
    return stored, axes


def _along(amounts: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(amounts[axis] for axis in axes)


def _back(amounts: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    found = [0] * len(axes)
    for amount, axis in zip(amounts, axes, strict=True):
        found[axis] = amount
    return tuple(found)


def _assign_places(nodes: Iterable[Node], layout: Layout) -> None:
    for node in nodes:
        if isinstance(node.op, Concat):
            start = 0
            for value in node.operands:
                first = [0] * value.tensor.rank
                first[node.op.axis] = start
                start += value.tensor.dims[node.op.axis]
                _place(value, node.result, tuple(first), layout)
        elif isinstance(node.op, Pad):
            _place(node.operands[0], node.result, node.op.low, layout)


def _place(value: Value, parent: Value, first: tuple[int, ...], layout: Layout) -> None:
    stored, path = _stored(value, layout)
    if stored.node in layout.copies:
        _place_copy(stored.node, path, parent, first, layout)
        return
    if stored in layout.place or stored in layout.direct or stored not in layout.order:
        return
    seen = seen_through(path, dense_model(stored, layout.order[stored]))
    whole = dense_model(parent, layout.order[parent])
    if seen is None or order_of(seen) != order_of(whole.sliced(first, seen.shape, _ones(first))):
        return
    place = Place(parent, first, seen.shape, tuple(path))
    if place.seen_in(whole) is not None and _makes_room(stored, place, layout):
        layout.place[stored] = place


def _place_copy(
    node: Node, path: list[Node], parent: Value, first: tuple[int, ...], layout: Layout
) -> None:
    """The copy that a reshape takes of its operand, made where its result is put."""
    shape = (path[-1] if path else node).result.tensor.dims
    place = Place(parent, first, shape, (node, *path))
    whole = dense_model(parent, layout.order[parent])
    taken = node in layout.place_of_copy or node in layout.direct_copies
    if not taken and isinstance(node.op, Reshape) and place.seen_in(whole) is not None:
        layout.place_of_copy[node] = place


def _makes_room(value: Value, place: Place, layout: Layout) -> bool:
    """Whether the zeros that `value` needs around it, if any, can lie around what it is put in."""
    if value not in layout.halo:
        return True
    low, high = layout.halo[value]
    around = [axis for axis in range(len(low)) if low[axis] or high[axis]]
    parent = place.parent
    if place.path or parent in layout.direct or parent in layout.place:
        return False
    if any(parent.tensor.dims[axis] != value.tensor.dims[axis] for axis in around):
        return False
    if not isinstance(parent.node and parent.node.op, Concat):
        return False
    held_low, held_high = layout.halo.get(parent, (low, high))
    layout.halo[parent] = (tuple(map(max, low, held_low)), tuple(map(max, high, held_high)))
    return True


def _ones(first: Sequence[int]) -> list[int]:
    return [1] * len(first)
