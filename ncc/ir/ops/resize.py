"""resize: the same picture with another number of elements per axis."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.sampling import (
    Coordinates,
    Filter,
    Interpolation,
    Rounding,
    Samples,
    places,
    samples,
)
from ncc.ir.scalar import cast
from ncc.ir.types import DType, TensorType


@op("resize")
class Resize(Op):
    """x sampled at `sizes[i]` places along axis i, one axis after the other.

    `scales` are result size over operand size before rounding to whole elements; `starts` and
    `ends` say which part of each axis is taken when `coordinates` is CROP, where places outside of
    x give `extrapolation`. Linear and cubic sums are in f32 and rounded once.
    """

    sizes: tuple[int, ...]
    scales: tuple[float, ...]
    mode: Interpolation
    coordinates: Coordinates
    rounding: Rounding = Rounding.PREFER_FLOOR
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0
    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()

    def infer(self, x: TensorType) -> TensorType:
        require(
            len(self.sizes) == len(self.scales) == x.rank and x.is_static,
            f"resize of {x} needs {x.rank} sizes and scales",
            operand=0,
        )
        require(
            min(self.sizes) > 0 and min(self.scales) > 0 and x.size > 0,
            f"cannot resize {x} to {list(self.sizes)}: sizes and scales are positive",
        )
        return x.with_shape(self.sizes)

    def eval(self, x: Array) -> Array:
        dtype = DType.of(x.dtype)
        made = x if self.mode is Interpolation.NEAREST else x.astype(_inner(dtype).numpy)
        for axis, sampled in self.axes(x.shape).items():
            made = _sample(made, axis, sampled)
            if self.coordinates is Coordinates.CROP:
                mask = sampled.outside.reshape(_along(axis, made.ndim))
                made = np.where(mask, np.asarray(self.extrapolation, made.dtype), made)
        return cast(made, dtype)

    def decompose(self, build: Builder, x: Value) -> Value:
        """A gather with constant indices per tap and axis, times its weights.

        Axes on which every element is repeated are broadcast instead, all at once.
        """
        dtype = x.tensor.dtype
        made = x if self.mode is Interpolation.NEAREST else build(Cast(_inner(dtype)), x)
        axes = self.axes(x.tensor.dims)
        times = {axis: count for axis, sampled in axes.items() if (count := _times(sampled)) > 1}
        times = {} if self.coordinates is Coordinates.CROP else times
        made = _build_repeated(build, made, times) if times else made
        for axis, sampled in axes.items():
            if axis in times:
                continue
            made = _build_sample(build, made, axis, sampled)
            if self.coordinates is Coordinates.CROP and sampled.outside.any():
                mask = sampled.outside.reshape(_along(axis, made.tensor.rank))
                value = constant(build, self.extrapolation, made.tensor.dtype)
                made = build(Where(), constant(build, mask, DType.bool), value, made)
        return build(Cast(dtype), made)

    def axes(self, before: tuple[int, ...]) -> dict[int, Samples]:
        """The axes that change, and what their elements are made of, in the order of sampling.

        What shrinks goes first and what grows last, so that little lies in between; of two axes
        that grow alike the inner one goes first: its elements are picked one by one, whole rows
        are not.
        """
        crop = self.coordinates is Coordinates.CROP
        filter = Filter(self.mode, self.rounding, self.cubic, self.exclude_outside, self.antialias)
        found = {}
        for axis, (size, scale) in enumerate(zip(self.sizes, self.scales, strict=True)):
            part = (self.starts[axis], self.ends[axis]) if crop else (0.0, 1.0)
            if size != before[axis] or scale != 1 or part != (0.0, 1.0):
                at = places(self.coordinates, before[axis], size, scale, part)
                found[axis] = samples(filter, at, before[axis], scale)
        growth = [size / old for size, old in zip(self.sizes, before, strict=True)]
        order = sorted(found, key=lambda axis: (growth[axis], -axis if growth[axis] > 1 else axis))
        return {axis: found[axis] for axis in order}

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        taps = [len(sampled.indices) for sampled in self.axes(operands[0].dims).values()]
        return 0 if self.mode is Interpolation.NEAREST else 2 * results[0].size * math.prod(taps)


def _inner(dtype: DType) -> DType:
    """The type of weighted sums: f32, but f64 for f64."""
    return dtype.compute if dtype.is_float else DType.f32


def _along(axis: int, rank: int) -> list[int]:
    """The shape of a vector along `axis`."""
    return [-1 if index == axis else 1 for index in range(rank)]


def _sample(x: Array, axis: int, sampled: Samples) -> Array:
    parts: list[Array] = [np.take(x, indices, axis) for indices in sampled.indices]
    if sampled.weights is None:
        return parts[0]
    shape = _along(axis, x.ndim)
    terms = zip(parts, sampled.weights.astype(x.dtype), strict=True)
    return np.asarray(sum(part * weight.reshape(shape) for part, weight in terms))


def _times(sampled: Samples) -> int:
    """How often each element comes in a row, where that is all that is sampled; else 1."""
    if sampled.weights is not None:
        return 1
    (indices,) = sampled.indices
    count = int(indices[-1]) + 1
    times = len(indices) // count
    return times if np.array_equal(indices, np.repeat(np.arange(count), times)) else 1


def _build_repeated(build: Builder, x: Value, times: dict[int, int]) -> Value:
    """x with every element along each axis of `times` that often in a row."""
    dims = x.tensor.dims
    apart = [(size, 1) if axis in times else (size,) for axis, size in enumerate(dims)]
    full = [(size, times[axis]) if axis in times else (size,) for axis, size in enumerate(dims)]
    sizes = tuple(size * times.get(axis, 1) for axis, size in enumerate(dims))
    split = build(Reshape(tuple(itertools.chain(*apart))), x)
    spread = build(BroadcastTo(tuple(itertools.chain(*full))), split)
    return build(Reshape(sizes), spread)


def _build_sample(build: Builder, x: Value, axis: int, sampled: Samples) -> Value:
    parts = [
        build(Gather(axis), x, constant(build, indices, DType.i64)) for indices in sampled.indices
    ]
    if sampled.weights is None:
        return parts[0]
    shape = _along(axis, x.tensor.rank)
    total: Value | None = None
    for part, weight in zip(parts, sampled.weights, strict=True):
        term = build(Mul(), part, constant(build, weight.reshape(shape), x.tensor.dtype))
        total = term if total is None else build(Add(), total, term)
    assert total is not None, "a sum of no taps"
    return total
