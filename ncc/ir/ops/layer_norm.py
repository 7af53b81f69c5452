"""layer_norm, rms_norm: normalise the last axes of a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.normalize import (
    build_scaled_to_one,
    build_standardized,
    scaled_to_one,
    standardized,
)
from ncc.ir.op import Array, Op, broadcast, op, require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class TrailingNorm(Op):
    """Normalisation of the axes from `axis` on, times a scale that broadcasts to x."""

    axis: int
    epsilon: float

    def check(self, x: TensorType, *parameters: TensorType) -> TensorType:
        """The result's type, that of x; refuses parameters that do not broadcast to it."""
        require(
            0 <= self.axis < x.rank and x.dtype.is_float,
            f"{self.name} of {x} from axis {self.axis} on",
            operand=0,
            label="needs floats, and that axis",
        )
        for index, parameter in enumerate(parameters, 1):
            require(
                broadcast(x.shape, parameter.shape) == x.shape,
                f"{parameter} does not broadcast to {x}",
                operand=index,
            )
        return x

    def axes(self, rank: int) -> tuple[int, ...]:
        return tuple(range(self.axis, rank))

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 8 * results[0].size


@op("layer_norm")
class LayerNorm(TrailingNorm):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias; https://arxiv.org/abs/1607.06450."""

    def infer(self, x: TensorType, scale: TensorType, bias: TensorType | None = None) -> TensorType:
        return self.check(x, scale, *([] if bias is None else [bias]))

    def eval(self, x: Array, scale: Array, bias: Array | None = None) -> Array:
        inner = DType.of(x.dtype).compute.numpy
        with np.errstate(all="ignore"):
            unit = standardized(x.astype(inner), self.axes(x.ndim), self.epsilon)
            made = unit * scale.astype(inner)
            return np.asarray(made if bias is None else made + bias.astype(inner), x.dtype)

    def decompose(self, build: Builder, x: Value, scale: Value, bias: Value | None = None) -> Value:
        wide = Cast(x.tensor.dtype.compute)
        unit = build_standardized(build, build(wide, x), self.axes(x.tensor.rank), self.epsilon)
        made = build(Mul(), unit, build(wide, scale))
        if bias is not None:
            made = build(Add(), made, build(wide, bias))
        return build(Cast(x.tensor.dtype), made)


@op("rms_norm")
class RMSNorm(TrailingNorm):
    """x / sqrt(mean(x * x) + epsilon) * scale; https://arxiv.org/abs/1910.07467."""

    def infer(self, x: TensorType, scale: TensorType) -> TensorType:
        return self.check(x, scale)

    def eval(self, x: Array, scale: Array) -> Array:
        inner = DType.of(x.dtype).compute.numpy
        with np.errstate(all="ignore"):
            unit = scaled_to_one(x.astype(inner), self.axes(x.ndim), self.epsilon)
            return np.asarray(unit * scale.astype(inner), x.dtype)

    def decompose(self, build: Builder, x: Value, scale: Value) -> Value:
        wide = Cast(x.tensor.dtype.compute)
        unit = build_scaled_to_one(build, build(wide, x), self.axes(x.tensor.rank), self.epsilon)
        return build(Cast(x.tensor.dtype), build(Mul(), unit, build(wide, scale)))
