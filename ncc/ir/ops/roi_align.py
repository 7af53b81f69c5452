"""roi_align: a grid of samples from each region of a picture."""

from __future__ import annotations

import functools
import itertools
import math
from enum import Enum

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, index_type, part, weighted_sum
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.compare import Greater, Less
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather, check_range
from ncc.ir.ops.logic import Or
from ncc.ir.ops.reduce import ReduceMax, ReduceMean
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.rounding import Floor
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.types import DType, TensorType

Corners = tuple[tuple[Array, Array], tuple[Array, Array]]
"""The element before a place and its weight, then the element after it and its weight."""

ONE = (1, 1, 1, 1)
"""One number for all samples of a region: bins and samples down, bins and samples across."""


class Pooling(Enum):
    """What a bin makes of its samples."""

    AVERAGE = "avg"
    MAX = "max"


@op("roi_align")
class RoiAlign(Op):
    """x [N, C, H, W], regions [R, 4] as (x1, y1, x2, y2), sample of each [R] -> [R, C, *size].

    Each bin has `samples` by `samples` places (0: one per element); https://arxiv.org/abs/1703.06870.
    With `half_pixel` coordinates are half an element less, else a region is at least one element.
    """

    size: tuple[int, int]
    samples: int
    scale: float
    half_pixel: bool
    pooling: Pooling

    def infer(self, x: TensorType, regions: TensorType, batch: TensorType) -> TensorType:
        require(
            x.rank == 4 and x.dtype.is_float and x.dtype is regions.dtype,
            f"roi_align takes floats [N, C, H, W] and regions of their type, not {x}",
            operand=0,
        )
        require(
            regions.rank == 2 and regions.shape[1] == 4,
            f"regions are [R, 4], not {regions}",
            operand=1,
        )
        require(
            batch.rank == 1 and batch.dtype.is_int,
            f"there is one sample number per region, not {batch}",
            operand=2,
        )
        require(min(self.size) > 0 and self.samples >= 0, f"a grid of {self.size} bins")
        return x.with_shape((regions.shape[0], x.shape[1], *self.size))

    def eval(self, x: Array, regions: Array, batch: Array) -> Array:
        check_range(batch, len(x))
        wide = np.ascontiguousarray(np.moveaxis(x, 1, -1), DType.of(x.dtype).compute.numpy)
        pairs = zip(regions.astype(wide.dtype), batch.tolist(), strict=True)
        bins = [self._bins(wide[index], region) for region, index in pairs]
        shape = (len(bins), *self.size, x.shape[1])
        return np.moveaxis(np.asarray(bins, x.dtype).reshape(shape), -1, 1)

    def _bins(self, picture: Array, region: Array) -> Array:
        """One region of a picture [H, W, C]: [*size, C]."""
        scale, shift = region.dtype.type(self.scale), region.dtype.type(0.5 * self.half_pixel)
        low, high = region[1::-1] * scale - shift, region[:1:-1] * scale - shift
        extent = high - low if self.half_pixel else np.maximum(high - low, 1)
        counts = [
            self.samples or max(math.ceil(extent[axis] / bins), 0)
            for axis, bins in enumerate(self.size)
        ]
        rows, columns = (
            _corners(
                low[axis], extent[axis] / self.size[axis], (self.size[axis], counts[axis]), size
            )
            for axis, size in enumerate(picture.shape[:2])
        )
        channels = picture.shape[2]
        if not math.prod(counts):
            return np.zeros((*self.size, channels), picture.dtype)
        elements = picture.reshape(-1, channels)
        high_bins, wide_bins = self.size
        bins = (high_bins, counts[0], wide_bins, counts[1], channels)
        most = self.pooling is Pooling.MAX
        joined, term = np.empty((2, bins[0] * bins[1], bins[2] * bins[3], channels), picture.dtype)
        joined.fill(-np.inf if most else 0)
        for (row, a), (column, b) in itertools.product(rows, columns):
            place = row[:, None] * picture.shape[1] + column
            np.take(elements, place, 0, out=term, mode="clip")
            np.multiply(term, (a[:, None] * b)[..., None], out=term)
            (np.maximum if most else np.add)(joined, term, out=joined)
        split = joined.reshape(bins)
        return np.asarray(split.max(axis=(1, 3)) if most else split.mean(axis=(1, 3)))

    def decompose(self, build: Builder, x: Value, regions: Value, batch: Value) -> Value | None:
        """Weighted rows of channels; each axis of samples is one of bins and one inside of them."""
        if not self.samples:
            rest = (self.scale, self.half_pixel, self.pooling)
            return build(AdaptiveRoiAlign(self.size, 0, *rest), x, regions, batch)
        fixed = all(value.tensor.is_static for value in (x, regions, batch))
        if not fixed or not x.tensor.size:
            return None
        n, c, high, wide = x.tensor.dims
        inner = Cast(x.tensor.dtype.compute)
        last = build(Transpose((0, 2, 3, 1)), build(inner, x))
        table = build(Reshape((n * high * wide, c)), last)
        corners = build(inner, regions)
        rows, columns = (
            self._places(build, corners, axis, x.tensor.dims[2 + axis]) for axis in (0, 1)
        )
        picture = build(Reshape((regions.tensor.dims[0], *ONE)), batch)
        terms = []
        for (row, a), (column, b) in itertools.product(rows, columns):
            parts = [(picture, high * wide), (row, wide), (column, 1)]
            flat = weighted_sum(build, parts, index_type(table.tensor))
            weight = build(Mul(), a, b)
            found = build(Gather(0), table, flat)
            terms.append(build(Mul(), found, build(Reshape((*weight.tensor.dims, 1)), weight)))
        most = self.pooling is Pooling.MAX
        joined = functools.reduce(lambda a, b: build(Max() if most else Add(), a, b), terms)
        bins = build((ReduceMax if most else ReduceMean)((2, 4), keepdims=False), joined)
        return build(Cast(x.tensor.dtype), build(Transpose((0, 3, 1, 2)), bins))

    def _places(
        self, build: Builder, corners: Value, axis: int, size: int
    ) -> list[tuple[Value, Value]]:
        """The elements around each sample along an axis of `size` elements, and their weights."""

        def number(value: float) -> Value:
            return constant(build, value, corners.tensor.dtype)

        place = self._samples(build, corners, axis)
        before, after = build(Less(), place, number(-1)), build(Greater(), place, number(size))
        outside = build(Or(), before, after)
        inside = build(Clip(0, size - 1), place)
        first = build(Floor(), inside)
        far = build(Sub(), inside, first)
        second = build(Min(), build(Add(), first, number(1)), number(size - 1))
        weights = (build(Sub(), number(1), far), far)
        return [
            (build(Cast(DType.i64), at), build(Where(), outside, number(0), weight))
            for at, weight in zip((first, second), weights, strict=True)
        ]

    def _samples(self, build: Builder, corners: Value, axis: int) -> Value:
        """Where the samples of each region are along an axis of the picture."""
        dtype, bins = corners.tensor.dtype, self.size[axis]
        shift = constant(build, 0.5 * self.half_pixel, dtype)
        scale, column = constant(build, self.scale, dtype), Reshape((corners.tensor.dims[0], *ONE))
        low, high = (
            build(Sub(), build(Mul(), build(column, part(build, corners, 1, at, 1)), scale), shift)
            for at in (1 - axis, 3 - axis)
        )
        extent = build(Sub(), high, low)
        if not self.half_pixel:
            extent = build(Max(), extent, constant(build, 1, dtype))
        shape = [1, *ONE]
        shape[1 + 2 * axis : 3 + 2 * axis] = bins, self.samples
        middle = (np.arange(bins * self.samples) + 0.5) / self.samples
        along = constant(build, middle.reshape(shape), dtype)
        length = build(Div(), extent, constant(build, bins, dtype))
        return build(Add(), low, build(Mul(), along, length))

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 8 * results[0].size * max(self.samples, 1) ** 2


@op("adaptive_roi_align")
class AdaptiveRoiAlign(RoiAlign):
    """roi_align with as many samples as the extent of each region asks for."""

    host_only = True

    def decompose(self, build: Builder, x: Value, regions: Value, batch: Value) -> None:
        return None


def _corners(low: Array, bin: Array, grid: tuple[int, int], size: int) -> Corners:
    """The two elements between which each sample lies, along an axis of `size` elements.

    `grid` is how many bins there are from `low` on, each of length `bin`, and samples in each.
    """
    bins, count = grid
    middle = np.arange(bins * count, dtype=low.dtype) + low.dtype.type(0.5)
    place = low + middle / low.dtype.type(max(count, 1)) * bin
    outside = (place < -1) | (place > size)
    place = np.clip(place, 0, size - 1)
    first = place.astype(np.int64)
    fraction = place - first
    near, far = np.where(outside, 0, 1 - fraction), np.where(outside, 0, fraction)
    return (first, near), (np.minimum(first + 1, size - 1), far)
