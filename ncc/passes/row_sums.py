"""Sums along rows that the kernel which computes the rows can make.

    %1 = reduce_sum(%x) {axes = [3]} : f32[1, 8, 40, 1]              %x : f32[1, 8, 40, 36]
    %2 = mul(%1, 0.027777778) : f32[1, 8, 40, 1]
    %3 = sub(%x, %2) : f32[1, 8, 40, 36]
    %4 = mul(%3, %3) : f32[1, 8, 40, 36]
    %5 = reduce_sum(%4) {axes = [3]} : f32[1, 8, 40, 1]

%1 takes each element of %x once, in any order, and so does %5 in the end: squared distances from
the mean follow from those from any other number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.ir.fold import number
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.arithmetic import Div, Mul, Sub
from ncc.ir.ops.reduce import ReduceSum


@dataclass(frozen=True, slots=True)
class Spread:
    """The sum of a row, and of the squared distances of its elements from their mean."""

    total: Node
    mean: Node
    distance: Node
    term: Node
    square: Node

    @property
    def nodes(self) -> list[Node]:
        """All of it, in order."""
        return [self.total, self.mean, self.distance, self.term, self.square]

    def is_whole(self, graph: Graph) -> bool:
        """Whether nothing else reads a distance."""
        return graph.readers(self.distance.result) == 2 and graph.readers(self.term.result) == 1


def is_row_sum(node: Node) -> bool:
    """Whether a node sums along the last axis, and keeps it."""
    op = node.op
    return (
        isinstance(op, ReduceSum) and op.keepdims and op.axes == (node.operands[0].tensor.rank - 1,)
    )


def spread_of(square: Node) -> Spread | None:
    """What `square` sums, if it is squared distances from the mean of a row."""
    term = square.operands[0].node if is_row_sum(square) else None
    if term is None or not isinstance(term.op, Mul) or term.operands[0] is not term.operands[1]:
        return None
    distance = term.operands[0].node
    if distance is None or not isinstance(distance.op, Sub):
        return None
    x, mean = distance.operands
    total = mean.node.operands[0].node if mean.node and mean.node.operands else None
    if total is None or not is_row_sum(total) or total.operands[0] is not x:
        return None
    assert mean.node is not None
    return Spread(total, mean.node, distance, term, square) if _is_mean(mean.node, x) else None


def _is_mean(node: Node, x: Value) -> bool:
    """Whether a node divides its first operand by the length of the rows of `x`."""
    if not isinstance(node.op, Mul | Div):
        return False
    by, length = number(node.operands[1]), x.tensor.dims[-1]
    wanted = length if isinstance(node.op, Div) else 1 / length
    return by is not None and math.isclose(by, wanted, rel_tol=1e-6)
