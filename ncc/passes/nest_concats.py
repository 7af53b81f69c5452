"""A concat that begins or ends with what an earlier one joins takes that one whole.

    %0 = concat(%x, %y) {axis = 1} : f32[1, 4, 8]
    %1 = concat(%x, %y, %z) {axis = 1} : f32[1, 6, 8]
becomes
    %0 = concat(%x, %y) {axis = 1} : f32[1, 4, 8]
    %1 = concat(%0, %z) {axis = 1} : f32[1, 6, 8]

A value is computed in one place. In a dense block, where every layer joins all features so far,
each feature then has its place in the first concat, that one in the second, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.concat import Concat
from ncc.passes import graph_pass


@graph_pass
def nest_concats(graph: Graph) -> Graph:
    """`graph` with the longest such concat in place of its operands, at the beginning first."""
    starts, ends = _Joined(), _Joined()

    def visit(build: Builder, node: Node) -> Value | None:
        if not isinstance(node.op, Concat):
            return None
        axis, parts = node.op.axis, node.operands
        count, start = starts.longest(axis, parts)
        if start is None:
            count, end = ends.longest(axis, parts[::-1])
            nested = (*parts[: len(parts) - count], end) if end else parts
        else:
            nested = (start, *parts[count:])
        made = node.result if nested is parts else build(node.op, *nested)
        starts.add(axis, parts, made)
        ends.add(axis, parts[::-1], made)
        return None if nested is parts else made

    return graph.rebuild(visit)


class _Joined:
    """Concats by their operands, in a tree with a branch for each operand in turn."""

    def __init__(self) -> None:
        self.branches: dict[tuple[int, int, Value], int] = {}
        """From a place in the tree, the axis and the next operand to another place."""
        self.results: dict[int, Value] = {}

    def add(self, axis: int, parts: Iterable[Value], result: Value) -> None:
        """Remember the concat of `parts`."""
        place = 0
        for part in parts:
            place = self.branches.setdefault((place, axis, part), len(self.branches) + 1)
        self.results.setdefault(place, result)

    def longest(self, axis: int, parts: Iterable[Value]) -> tuple[int, Value | None]:
        """How many of the first `parts` are the operands of a concat, at most, and that concat."""
        place = 0
        found: tuple[int, Value | None] = 0, None
        for count, part in enumerate(parts, 1):
            if (place, axis, part) not in self.branches:
                break
            place = self.branches[place, axis, part]
            if place in self.results:
                found = count, self.results[place]
        return found
