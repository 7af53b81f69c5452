"""Multiply rows of several products by the matrix that they share, rather than by copies of it.

    %0 = broadcast_to(%k) {shape = [4, 3, 9, 64]} : f32[4, 3, 9, 64]        %k : f32[4, 1, 9, 64]
    %1 = reshape(%0) {shape = [12, 9, 64]} : f32[12, 9, 64]
    %2 = transpose(%1) {perm = [0, 2, 1]} : f32[12, 64, 9]
    %3 = matmul(%q, %2) : f32[12, 1, 9]
becomes
    %0 = transpose(%k) {perm = [0, 1, 3, 2]} : f32[4, 1, 64, 9]
    %1 = reshape(%q) {shape = [4, 3, 1, 64]} : f32[4, 3, 1, 64]
    %2 = matmul(%1, %0) : f32[4, 3, 1, 9]
    %3 = reshape(%2) {shape = [12, 1, 9]} : f32[12, 1, 9]

Heads of queries that share keys and values are exported so.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.ir.fold import is_literal
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.arithmetic import Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.passes import graph_pass


@graph_pass
def share_matrices(graph: Graph) -> Graph:
    """See above; copies that a product does not read are left."""
    return graph.rebuild(_visit)


def _visit(build: Builder, node: Node) -> Value | None:
    if not isinstance(node.op, MatMul):
        return None
    left, right = node.operands
    if not left.tensor.is_static or left.tensor.rank != right.tensor.rank:
        return None
    found = _shared(build, right)
    if found is None or left.tensor.dims[found.axis] != found.groups * found.copies:
        return None
    apart = build(Reshape(found.split(left.tensor.dims)), left)
    return build(Reshape(node.result.tensor.dims), build(node.op, apart, found.matrices))


@dataclass(frozen=True, slots=True)
class _Shared:
    """Matrices of which each stands for `copies`, next to each other along `axis` of all of them.

    They have an axis of 1 more, behind `axis`, which then has `groups`.
    """

    matrices: Value
    axis: int
    groups: int
    copies: int

    def split(self, dims: tuple[int, ...]) -> tuple[int, ...]:
        """`dims` with groups and copies on axes of their own."""
        return (*dims[: self.axis], self.groups, self.copies, *dims[self.axis + 1 :])


def _shared(build: Builder, value: Value) -> _Shared | None:
    """The matrices that `value` repeats; None if it does not, or not only that."""
    node = value.node
    if node is None or value.is_constant or not value.tensor.is_static:
        return None
    match node.op:
        case Reshape():
            return _repeated(node)
        case Transpose():
            return _transposed(build, node.op, node.operands[0])
        case Mul():
            return _scaled(build, *node.operands)
    return None


def _repeated(reshape: Node) -> _Shared | None:
    """What a reshape of repeated matrices repeats, if it joins copies with the axis before them."""
    repeat = reshape.operands[0].node
    if repeat is None or not isinstance(repeat.op, BroadcastTo):
        return None
    x = repeat.operands[0]
    have, wanted, joined = (v.tensor.dims for v in (x, repeat.result, reshape.result))
    new = [axis for axis, (a, b) in enumerate(zip(have, wanted, strict=False)) if a != b]
    if len(have) != len(wanted) or len(new) != 1 or not 0 < new[0] < len(wanted) - 2:
        return None
    axis, groups, copies = new[0] - 1, have[new[0] - 1], wanted[new[0]]
    found = _Shared(x, axis, groups, copies)
    return found if len(joined) == len(have) - 1 and found.split(joined) == wanted else None


def _transposed(build: Builder, op: Transpose, x: Value) -> _Shared | None:
    """The same for matrices that are transposed, each for itself."""
    rank = len(op.perm)
    if op.perm != (*range(rank - 2), rank - 1, rank - 2):
        return None
    found = _shared(build, x)
    if found is None:
        return None
    across = build(Transpose((*range(rank - 1), rank, rank - 1)), found.matrices)
    return _Shared(across, found.axis, found.groups, found.copies)


def _scaled(build: Builder, x: Value, number: Value) -> _Shared | None:
    """The same for matrices times a number."""
    if not is_literal(number) or number.tensor.size != 1 or number.tensor.rank > x.tensor.rank:
        return None
    found = _shared(build, x)
    if found is None:
        return None
    scaled = build(Mul(), found.matrices, number)
    return _Shared(scaled, found.axis, found.groups, found.copies)
