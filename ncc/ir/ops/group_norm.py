"""group_norm, instance_norm: normalise groups of channels of each sample."""

from __future__ import annotations

import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.normalize import (
    build_joined_statistics,
    build_row_statistics,
    build_standardized,
    build_statistics,
    standardized,
)
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.matmul import compatible
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType, TensorType


@op("group_norm")
class GroupNorm(Op):
    """x [N, C, *spatial] normalised over `groups` groups of channels and all of space.

    scale and bias [C] follow; https://arxiv.org/abs/1803.08494. One group per channel is instance
    normalisation.
    """

    groups: int
    epsilon: float

    def infer(self, x: TensorType, scale: TensorType, bias: TensorType) -> TensorType:
        require(
            x.rank >= 2 and x.dtype.is_float,
            f"group_norm takes floats [N, C, ...], not {x}",
            operand=0,
        )
        channels = x.shape[1]
        require(
            self.groups > 0 and (not isinstance(channels, int) or channels % self.groups == 0),
            f"{channels} channels do not make {self.groups} groups",
            operand=0,
        )
        for index, parameter in enumerate((scale, bias), 1):
            require(
                parameter.rank == 1 and compatible(parameter.shape[0], channels),
                f"{parameter} is not one number per channel of {x}",
                operand=index,
                label=f"needs {channels} elements",
            )
        return x

    def eval(self, x: Array, scale: Array, bias: Array) -> Array:
        inner = DType.of(x.dtype).compute.numpy
        column = (-1, *(1,) * (x.ndim - 2))
        grouped = x.astype(inner).reshape(
            x.shape[0], self.groups, math.prod(x.shape[1:]) // self.groups
        )
        with np.errstate(all="ignore"):
            unit = standardized(grouped, (2,), self.epsilon).reshape(x.shape)
            made = unit * scale.astype(inner).reshape(column) + bias.astype(inner).reshape(column)
        return np.asarray(made, x.dtype)

    def decompose(self, build: Builder, x: Value, scale: Value, bias: Value) -> Value:
        """Over [N, groups, C / groups, *spatial], or as it is when every channel is a group."""
        n, c, *spatial = x.tensor.dims
        members = () if spatial and self.groups == c else (c // self.groups,)
        wide = Cast(x.tensor.dtype.compute)
        whole = build(wide, x)
        grouped = build(Reshape((n, self.groups, *members, *spatial)), whole)
        axes = tuple(range(2, grouped.tensor.rank))
        column = Reshape((self.groups, *members, *[1] * len(spatial)))
        scale, bias = (build(column, build(wide, value)) for value in (scale, bias))
        if members and spatial:
            statistics = _build_statistics(build, whole, grouped.tensor.dims, self.epsilon)
            made = _build_scaled(build, grouped, statistics, scale, bias)
        elif members:
            statistics = build_statistics(build, grouped, axes, self.epsilon)
            made = _build_scaled(build, grouped, statistics, scale, bias)
        else:
            unit = build_standardized(build, grouped, axes, self.epsilon)
            made = build(Add(), build(Mul(), unit, scale), bias)
        return build(Reshape(x.tensor.shape), build(Cast(x.tensor.dtype), made))

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 8 * results[0].size


def _build_statistics(
    build: Builder, x: Value, grouped: tuple[int, ...], epsilon: float
) -> tuple[Value, Value]:
    """The mean and 1 / deviation of each group, from the rows of `x`, which know no groups."""
    rows = build_row_statistics(build, x, x.tensor.rank - 1)
    mean, square = (build(Reshape((*grouped[:-1], 1)), value) for value in rows)
    return build_joined_statistics(build, mean, square, tuple(range(2, len(grouped))), epsilon)


def _build_scaled(
    build: Builder, x: Value, statistics: tuple[Value, Value], scale: Value, bias: Value
) -> Value:
    """x * a + b, with a and b per channel: channels of a group do not share numbers in memory."""
    mean, inverse = statistics
    factor = build(Mul(), inverse, scale)
    offset = build(Sub(), bias, build(Mul(), mean, factor))
    return build(Add(), build(Mul(), x, factor), offset)
