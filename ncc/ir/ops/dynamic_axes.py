"""Ops along axes that only the data decides.

Which axes is unknown, how many is not: the list has a known length, so the result has a known rank.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from ncc.diagnostics import NccError
from ncc.ir.op import Array, Op, op
from ncc.ir.ops.cumulative import Cumprod, Cumsum, Cumulative
from ncc.ir.ops.dynamic_reshape import length
from ncc.ir.ops.dynamic_slice import axis_in
from ncc.ir.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum
from ncc.ir.types import UNKNOWN, TensorType


def counted_axes(axes: Array, rank: int) -> tuple[int, ...]:
    """The axes in order, those from the end counted from 0; NccError when there is no such axis."""
    return tuple(sorted({axis_in(axis, rank) for axis in axes.ravel().tolist()}))


class Combination(Enum):
    """A reduction, by its name."""

    sum = "sum"
    prod = "prod"
    max = "max"
    min = "min"
    mean = "mean"


_REDUCTIONS: dict[Combination, type[Reduce]] = {
    Combination.sum: ReduceSum,
    Combination.prod: ReduceProd,
    Combination.max: ReduceMax,
    Combination.min: ReduceMin,
    Combination.mean: ReduceMean,
}


@op("dynamic_reduce")
class DynamicReduce(Op):
    """A reduction along the axes in the second operand."""

    host_only = True

    combination: Combination
    keepdims: bool = True

    def infer(self, x: TensorType, axes: TensorType) -> TensorType:
        gone = 0 if self.keepdims else length(axes, 1)
        return x.with_shape((UNKNOWN,) * (x.rank - gone))

    def eval(self, x: Array, axes: Array) -> Array:
        made = _REDUCTIONS[self.combination](counted_axes(axes, x.ndim), self.keepdims)
        reduced: Array = made.eval(x)
        return reduced


@op("dynamic_cumulative")
class DynamicCumulative(Op):
    """cumsum, or cumprod when `product`, along the axis in the second operand (one element)."""

    host_only = True

    product: bool = False
    exclusive: bool = False
    reverse: bool = False

    def infer(self, x: TensorType, axis: TensorType) -> TensorType:
        return x

    def eval(self, x: Array, axis: Array) -> Array:
        kind: type[Cumulative] = Cumprod if self.product else Cumsum
        (counted,) = counted_axes(axis, x.ndim)
        return kind(counted, self.exclusive, self.reverse).eval(x)


@op("dynamic_squeeze")
class DynamicSqueeze(Op):
    """x without the axes in the second operand, which have size 1."""

    host_only = True

    def infer(self, x: TensorType, axes: TensorType) -> TensorType:
        return x.with_shape((UNKNOWN,) * (x.rank - length(axes, 1)))

    def eval(self, x: Array, axes: Array) -> Array:
        gone = counted_axes(axes, x.ndim)
        wrong = [axis for axis in gone if x.shape[axis] != 1]
        if wrong:
            raise NccError("shape", f"axes {wrong} of sizes {list(x.shape)} are not 1")
        return x.squeeze(gone)


@op("dynamic_unsqueeze")
class DynamicUnsqueeze(Op):
    """x with new axes of size 1 at the places of the result in the second operand."""

    host_only = True

    def infer(self, x: TensorType, axes: TensorType) -> TensorType:
        return x.with_shape((UNKNOWN,) * (x.rank + length(axes, 1)))

    def eval(self, x: Array, axes: Array) -> Array:
        return np.expand_dims(x, counted_axes(axes, x.ndim + axes.size))
