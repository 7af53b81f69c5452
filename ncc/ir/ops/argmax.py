"""argmax, argmin: where the largest and the smallest element along an axis is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, counting
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import Or
from ncc.ir.ops.reduce import Reduce, ReduceMax, ReduceMin
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class ArgExtremum(Op):
    """The index as i64, of the first such element or of the last; a NaN is more than any number.

    The axis stays with size 1 when `keepdims`, else it goes.
    """

    axis: int
    keepdims: bool = True
    last: bool = False

    reduction: ClassVar[type[Reduce]]
    """What finds the extreme element; NaN when there is one."""

    def infer(self, x: TensorType) -> TensorType:
        require(
            0 <= self.axis < x.rank and x.shape[self.axis] != 0,
            f"{self.name} of {x} along axis {self.axis}",
            operand=0,
            label="needs that axis, with an element",
        )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return TensorType(DType.i64, (*before, *([1] if self.keepdims else []), *after))

    def eval(self, x: Array) -> Array:
        if not self.last:
            return self.first(x)
        return np.asarray(x.shape[self.axis] - 1 - self.first(np.flip(x, self.axis)))

    def first(self, x: Array) -> Array:
        """The index of the first extreme element."""
        raise NotImplementedError(f"{self.name} has no reference meaning")

    def decompose(self, build: Builder, x: Value) -> Value | None:
        """The first (or last) of the indices at which the extreme element of the row stands."""
        size = x.tensor.shape[self.axis]
        if not isinstance(size, int):
            return None
        extreme = build(self.reduction((self.axis,)), x)
        found = build(Equal(), x, extreme)
        if x.tensor.dtype.is_float:
            found = build(Or(), found, build(Isnan(), x))
        indices = counting(build, x.tensor.rank, self.axis, size, DType.i32)
        missing = constant(build, -1 if self.last else size, DType.i32)
        places = build(Where(), found, indices, missing)
        joined = ReduceMax if self.last else ReduceMin
        index = build(Cast(DType.i64), build(joined((self.axis,)), places))
        return index if self.keepdims else build(Reshape(self.infer(x.tensor).shape), index)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return operands[0].size


@op("argmax")
class Argmax(ArgExtremum):
    """Where the largest element along `axis` is."""

    reduction = ReduceMax

    def first(self, x: Array) -> Array:
        return np.asarray(np.argmax(x, self.axis, keepdims=self.keepdims), np.int64)


@op("argmin")
class Argmin(ArgExtremum):
    """Where the smallest element along `axis` is."""

    reduction = ReduceMin

    def first(self, x: Array) -> Array:
        return np.asarray(np.argmin(x, self.axis, keepdims=self.keepdims), np.int64)
