"""Long reductions of few rows, in parts that the cores share.

    %0 = reduce_sum(exp(%x)) {axes = [0]} : f32[1]                  %x : f32[65536]
becomes
    %1 = reshape(%x) {shape = [64, 1024]} : f32[64, 1024]
    %2 = reduce_sum(exp(%1)) {axes = [1]} : f32[64, 1]
    %3 = reduce_sum(%2) {axes = [0, 1]} : f32[1, 1]
    %0 = reshape(%3) {shape = [1]} : f32[1]

The parts depend on the shape alone, so the result is the same on any number of cores.
"""

from __future__ import annotations

from dataclasses import replace

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.reduce import Reduce
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType

FEW = 4
"""Rows from which the cores share rows."""
LONG = 1 << 16
"""Elements from which parts are worth one more kernel."""
PARTS = 64
"""Parts at most, and an eighth of it at least."""
CONE = 16
"""Elementwise nodes before a reduction that are computed with its parts."""


def in_parts(build: Builder, op: Reduce, x: Value) -> Value | None:
    """The reduction, which keeps its axes, of `x` in parts; None if it is short or has many rows.

    Elementwise nodes that give `x` are computed again with the parts, in one kernel with them.
    """
    dims = x.tensor.dims
    rows = op.infer(x.tensor).size
    found = next(((axis, n) for axis in op.axes if (n := _parts(dims[axis]))), None)
    if rows >= FEW or x.tensor.size < LONG or found is None:
        return None
    axis, count = found
    split = _Split(build, axis, len(dims), count).value(x)
    wide = _cast(build, split, x.tensor.dtype.compute)
    inner = tuple(other + (other >= axis) for other in op.axes)
    parts = build(replace(op, axes=tuple(sorted({*inner} - {axis} | {axis + 1}))), wide)
    whole = build(replace(op, axes=tuple(sorted({*inner, axis}))), parts)
    kept = build(Reshape(op.infer(x.tensor).shape), whole)
    return _cast(build, kept, x.tensor.dtype)


def _cast(build: Builder, value: Value, to: DType) -> Value:
    return value if value.tensor.dtype is to else build(Cast(to), value)


def _parts(extent: int) -> int:
    """Into how many parts to cut an axis; 0 if it has no such divisor."""
    return next((n for n in range(PARTS, PARTS // 8 - 1, -1) if extent % n == 0), 0)


class _Split:
    """Values with one of their axes as two."""

    def __init__(self, build: Builder, axis: int, rank: int, count: int) -> None:
        self.build = build
        self.axis, self.rank, self.count = axis, rank, count
        self.known: dict[Value, Value] = {}

    def value(self, value: Value) -> Value:
        """`value` with the axis in `count` parts, where it has that axis."""
        if value not in self.known:
            self.known[value] = self._made(value)
        return self.known[value]

    def _made(self, value: Value) -> Value:
        node = value.node
        if node is not None and isinstance(node.op, Elementwise) and len(self.known) < CONE:
            return self.build(node.op, *map(self.value, node.operands))
        dims = value.tensor.dims
        axis = self.axis - (self.rank - len(dims))
        if axis < 0:
            return value
        cut = (1, 1) if dims[axis] == 1 else (self.count, dims[axis] // self.count)
        return self.build(Reshape((*dims[:axis], *cut, *dims[axis + 1 :])), value)
