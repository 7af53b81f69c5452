"""Bring elements to mean 0 and variance 1: the core of every normalisation op.

Statistics are taken in `dtype.compute` in two passes: the mean, then the mean of squared
distances from it, which does not cancel as a difference of means does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.ops.arithmetic import Add, Mul, Reciprocal, Sub
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import ReduceMean

Array = npt.NDArray[Any]
Axes = tuple[int, ...]


def standardized(x: Array, axes: Axes, epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon) along `axes`."""
    centred = np.subtract(x, x.mean(axes, keepdims=True))
    return scaled_to_one(centred, axes, epsilon)


def scaled_to_one(x: Array, axes: Axes, epsilon: float) -> Array:
    """x / sqrt(mean(x * x) + epsilon) along `axes`."""
    square = np.square(x).mean(axes, keepdims=True)
    unit: Array = np.divide(x, np.sqrt(square + np.asarray(epsilon, x.dtype)))
    return unit


def build_standardized(build: Builder, x: Value, axes: Axes, epsilon: float) -> Value:
    """`standardized` as ops, for an x in a compute type."""
    if len(axes) == 1:
        mean = build(ReduceMean(axes), x)
        return build_scaled_to_one(build, build(Sub(), x, mean), axes, epsilon)
    mean, inverse = build_statistics(build, x, axes, epsilon)
    return build(Mul(), build(Sub(), x, mean), inverse)


def build_statistics(build: Builder, x: Value, axes: Axes, epsilon: float) -> tuple[Value, Value]:
    """The mean and 1 / sqrt(variance + epsilon) along `axes`, for an x in a compute type.

    Along several axes they are those of the rows along the last one, combined (Chan, Golub,
    LeVeque 1983): every element is read once for them, and no sum is of many terms.
    """
    *outer, last = axes
    mean, square = build_row_statistics(build, x, last)
    if not outer:
        return mean, _inverse_root(build, square, epsilon)
    return build_joined_statistics(build, mean, square, tuple(outer), epsilon)


def build_row_statistics(build: Builder, x: Value, axis: int) -> tuple[Value, Value]:
    """The mean along `axis`, and that of squared distances from it."""
    mean = build(ReduceMean((axis,)), x)
    return mean, _mean_square(build, build(Sub(), x, mean), (axis,))


def build_joined_statistics(
    build: Builder, mean: Value, square: Value, axes: Axes, epsilon: float
) -> tuple[Value, Value]:
    """`build_statistics` of rows of one length whose statistics lie along `axes`."""
    whole = build(ReduceMean(axes), mean)
    between = build(Sub(), mean, whole)
    variance = build(ReduceMean(axes), build(Add(), square, build(Mul(), between, between)))
    return whole, _inverse_root(build, variance, epsilon)


def build_scaled_to_one(build: Builder, x: Value, axes: Axes, epsilon: float) -> Value:
    """`scaled_to_one` as ops, for an x in a compute type."""
    square = _mean_square(build, x, axes)
    return build(Mul(), x, _inverse_root(build, square, epsilon))


def build_inverse_deviation(
    build: Builder, x: Value, mean: Value, axes: Axes, epsilon: float
) -> Value:
    """1 / sqrt(variance + epsilon) along `axes`, as ops."""
    return _inverse_root(build, _mean_square(build, build(Sub(), x, mean), axes), epsilon)


def _mean_square(build: Builder, x: Value, axes: Axes) -> Value:
    return build(ReduceMean(axes), build(Mul(), x, x))


def _inverse_root(build: Builder, variance: Value, epsilon: float) -> Value:
    """1 / sqrt(variance + epsilon)"""
    shifted = build(Add(), variance, constant(build, epsilon, variance.tensor.dtype))
    return build(Reciprocal(), build(Sqrt(), shifted))
