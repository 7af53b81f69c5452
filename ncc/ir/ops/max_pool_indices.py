"""max_pool_indices: the largest element under a window, and where it stands."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, counting, row_major_strides, weighted_sum
from ncc.ir.op import Array, Op, op
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Greater
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import And, Not, Or
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.where import Where
from ncc.ir.types import DType, TensorType
from ncc.ir.window import Sizes, Window, lowest

MOST_TAPS = 16
"""Of a window whose taps are compared one after the other."""


@op("max_pool_indices")
class MaxPoolIndices(Op):
    """x [N, C, *spatial] -> the largest elements [N, C, *output] and their indices (i64).

    An index counts the elements of x in row-major order; of equal elements the first counts, and
    padding never does.
    """

    kernel: Sizes
    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.strides, self.low, self.high, self.dilations)

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        self.window.check(x)
        found = x.with_shape((*x.shape[:2], *self.window.output(x.shape[2:])))
        return found, found.with_dtype(DType.i64)

    def eval(self, x: Array) -> tuple[Array, Array]:
        places = self._flat_windows(np.arange(x.size).reshape(x.shape), -1)
        seen = self._flat_windows(x, lowest(x.dtype))
        best, inside = (each.argmax(axis=2)[:, :, None] for each in (seen, places >= 0))
        values = np.take_along_axis(seen, best, 2)
        where, first = (np.take_along_axis(places, taps, 2) for taps in (best, inside))
        return values[:, :, 0], np.where(where < 0, first, where)[:, :, 0]

    def decompose(self, build: Builder, x: Value) -> tuple[Value, Value] | None:
        """One tap compared with the best of those before, after the other."""
        taps = list(itertools.product(*map(range, self.kernel)))
        if not x.tensor.is_static or not x.tensor.size or len(taps) > MOST_TAPS:
            return None
        found = self.infer(x.tensor)[0]
        outside = lowest(x.tensor.dtype.numpy)
        padded = build(Pad((0, 0, *self.low), (0, 0, *self.high), outside), x)
        strides = row_major_strides(x.tensor.dims)
        best = place = None
        for tap in taps:
            first = [n * step for n, step in zip(tap, self.dilations, strict=True)]
            seen = build(Slice((0, 0, *first), found.dims, (1, 1, *self.strides)), padded)
            distance = sum(map(int.__mul__, first, strides[2:]))
            here = constant(build, distance, DType.i32)
            if best is None or place is None:
                best, place = seen, build(BroadcastTo(found.dims), self._first(build, x, found))
                continue
            better = _is_better(build, seen, best)
            best, place = build(Where(), better, seen, best), build(Where(), better, here, place)
        assert best is not None
        assert place is not None
        start = self._starts(build, x.tensor, found)
        return best, build(Add(), start, build(Cast(DType.i64), place))

    def _first(self, build: Builder, x: Value, found: TensorType) -> Value:
        """How far behind its first tap each window has its first element of x."""
        strides = row_major_strides(x.tensor.dims)
        terms = [(constant(build, np.zeros((1,) * found.rank), DType.i32), 1)]
        for axis in range(2, found.rank):
            low, step, apart = (n[axis - 2] for n in (self.low, self.strides, self.dilations))
            outside = np.maximum(low - step * np.arange(found.dims[axis]), 0)
            if outside.any():
                shape = [1] * found.rank
                shape[axis] = found.dims[axis]
                skipped = (-(-outside // apart) * apart).reshape(shape)
                terms.append((constant(build, skipped, DType.i32), strides[axis]))
        return weighted_sum(build, terms, DType.i32)

    def _starts(self, build: Builder, x: TensorType, found: TensorType) -> Value:
        """Where the first tap of each window stands, or would stand outside."""
        steps = (1, 1, *self.strides)
        terms = [
            (counting(build, x.rank, axis, found.dims[axis], DType.i64), step * stride)
            for axis, (step, stride) in enumerate(
                zip(steps, row_major_strides(x.dims), strict=True)
            )
        ]
        before = sum(map(int.__mul__, self.low, row_major_strides(x.dims)[2:]))
        return weighted_sum(build, [*terms, (constant(build, -before, DType.i64), 1)], DType.i64)

    def _flat_windows(self, x: Array, padding: float) -> Array:
        """[N, C, taps, *output]."""
        seen = self.window.view(self.window.pad(x, padding))
        return seen.reshape(*seen.shape[:2], -1, *seen.shape[2 + len(self.kernel) :])

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size * math.prod(self.kernel)


def _is_better(build: Builder, seen: Value, best: Value) -> Value:
    """Whether an element is larger than the best before it; the first NaN is larger than all."""
    larger = build(Greater(), seen, best)
    if not seen.tensor.dtype.is_float:
        return larger
    known = build(Not(), build(Isnan(), best))
    return build(Or(), larger, build(And(), build(Isnan(), seen), known))
