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
from ncc.ir.ops.arithmetic import Add, Div, Mul, Reciprocal, Sub
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
    centred = build(Sub(), x, build(ReduceMean(axes), x))
    return build_scaled_to_one(build, centred, axes, epsilon)


def build_scaled_to_one(build: Builder, x: Value, axes: Axes, epsilon: float) -> Value:
    """`scaled_to_one` as ops, for an x in a compute type."""
    square = build(ReduceMean(axes), build(Mul(), x, x))
    shifted = build(Add(), square, constant(build, epsilon, x.tensor.dtype))
    return build(Div(), x, build(Sqrt(), shifted))


def build_inverse_deviation(
    build: Builder, x: Value, mean: Value, axes: Axes, epsilon: float
) -> Value:
    """1 / sqrt(variance + epsilon) along `axes`, as ops."""
    centred = build(Sub(), x, mean)
    square = build(ReduceMean(axes), build(Mul(), centred, centred))
    shifted = build(Add(), square, constant(build, epsilon, x.tensor.dtype))
    return build(Reciprocal(), build(Sqrt(), shifted))
