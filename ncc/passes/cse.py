"""Compute equal things once.

    %0 = relu(%x) : f32[8]
    %1 = relu(%x) : f32[8]
    %2 = add(%0, %1) : f32[8]
becomes
    %0 = relu(%x) : f32[8]
    %1 = add(%0, %0) : f32[8]

Nodes are equal when op, attributes and operands are; weights when their types and digests are. The
node that stays carries the locations of all; a constant, which many share, those of the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from ncc.diagnostics import merge_locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Op
from ncc.ir.ops.weight import Weight
from ncc.ir.schema import Each, Kind, Many, Maybe, Record, kinds, per_class
from ncc.passes import graph_pass


@graph_pass
def cse(graph: Graph) -> Graph:
    """`graph` without a second node for what a node before it computes."""
    leader: dict[Value, Value] = {}
    groups: dict[tuple[Hashable, ...], list[Node]] = {}
    for node in graph.nodes:
        if not node.op.pure:
            continue
        operands = tuple(leader.get(value, value) for value in node.operands)
        group = groups.setdefault((*identity(node.op), operands), [])
        group.append(node)
        if group[0] is not node:
            leader.update(zip(node.results, group[0].results, strict=True))
    return _merge(graph, groups.values()) if leader else graph


def _merge(graph: Graph, groups: Iterable[list[Node]]) -> Graph:
    """`graph` with each group as its first node."""
    group_of = {node: group for group in groups if len(group) > 1 for node in group}
    build = Builder()
    mapped: dict[Value, Value] = {}
    for node in graph.nodes:
        group = group_of.get(node, [node])
        if group[0] is not node:
            first = tuple(mapped[value] for value in group[0].results)
            mapped.update(zip(node.results, first, strict=True))
            continue
        operands = [mapped.get(value, value) for value in node.operands]
        shared = len(group) > 1 and operands
        locs = merge_locs(member.locs for member in group) if shared else None
        made = build.append(build.again(node, operands, locs))
        mapped.update(zip(node.results, made.results, strict=True))
    outputs = [mapped.get(value, value) for value in graph.outputs]
    return Graph(graph.name, graph.inputs, build.nodes, outputs, graph.output_names)


def identity(op: Op) -> tuple[Hashable, ...]:
    """What makes an op the same as another: floats count by their text, for 0.0 is not -0.0."""
    if isinstance(op, Weight) and op.slice is not None:
        return Weight, op.type, op.slice
    return op, *(repr(getattr(op, name)) for name in _floating(type(op)))


@per_class
def _floating(cls: type) -> tuple[str, ...]:
    """The fields that hold floats."""
    return tuple(name for name, kind in kinds(cls).items() if _holds_floats(kind))


def _holds_floats(kind: Kind) -> bool:
    match kind:
        case Many(item) | Maybe(item):
            return _holds_floats(item)
        case Each(items):
            return any(map(_holds_floats, items))
        case Record(cls):
            return bool(_floating(cls))
        case _:
            return kind is float
