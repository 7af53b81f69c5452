"""softmax, log_softmax: positive numbers that add up to 1 along an axis, and their logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Mul, Reciprocal, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.exponential import Decay, Log
from ncc.ir.ops.reduce import ReduceMax, ReduceSum
from ncc.ir.scalar import NUMPY
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class AxisSoftmax(Op):
    """What both have in common: along `axis`, computed in `dtype.compute` and rounded once."""

    axis: int

    def infer(self, x: TensorType) -> TensorType:
        require(
            0 <= self.axis < x.rank,
            f"{self.name} of {x} along axis {self.axis}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        require(x.dtype.is_float, f"{self.name} takes floats, not {x}", operand=0)
        return x

    def _below_max(self, x: Array) -> Array:
        """x in the compute type, minus its largest element: exp of it does not overflow."""
        wide = x.astype(DType.of(x.dtype).compute.numpy, copy=False)
        below: Array = np.subtract(wide, wide.max(self.axis, keepdims=True, initial=-np.inf))
        return below

    def _decomposed_below_max(self, build: Builder, x: Value) -> Value:
        wide = build(Cast(x.tensor.dtype.compute), x)
        return build(Sub(), wide, build(ReduceMax((self.axis,)), wide))

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 5 * results[0].size


@op("softmax")
class Softmax(AxisSoftmax):
    """exp(x - max) / sum(exp(x - max)) along `axis`."""

    def eval(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            powers = NUMPY.decay(self._below_max(x))
            return np.asarray(powers / powers.sum(self.axis, keepdims=True), x.dtype)

    def decompose(self, build: Builder, x: Value) -> Value:
        powers = build(Decay(), self._decomposed_below_max(build, x))
        total = build(ReduceSum((self.axis,)), powers)
        return build(Cast(x.tensor.dtype), build(Mul(), powers, build(Reciprocal(), total)))


@op("log_softmax")
class LogSoftmax(AxisSoftmax):
    """x - max - log(sum(exp(x - max))) along `axis`."""

    def eval(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            below = self._below_max(x)
            total = NUMPY.decay(below).sum(self.axis, keepdims=True)
            return np.asarray(below - np.log(total), x.dtype)

    def decompose(self, build: Builder, x: Value) -> Value:
        below = self._decomposed_below_max(build, x)
        total = build(ReduceSum((self.axis,)), build(Decay(), below))
        return build(Cast(x.tensor.dtype), build(Sub(), below, build(Log(), total)))
