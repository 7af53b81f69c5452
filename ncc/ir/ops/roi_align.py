"""roi_align: a grid of samples from each region of a picture."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
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

ONE = (1, 1, 1, 1)
"""One number for all samples of a region: bins and samples down, bins and samples across."""

MOST = 1 << 31
"""Samples of a bin from which a region is as good as without end, and has none."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples along an axis of a picture: the elements before and after each, and their weights.

    Both are [regions, bins, samples, 2], or without regions.
    """

    places: Array
    weights: Array

    def of(self, region: int) -> Samples:
        """The samples of one region."""
        return Samples(self.places[region], self.weights[region])


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
        low, extent = self._extents(regions.astype(wide.dtype))
        result = np.zeros((len(regions), *self.size, x.shape[1]), wide.dtype)
        counts = self._counts(extent)
        for count in np.unique(counts[counts.all(1)], axis=0):
            alike = np.flatnonzero((counts == count).all(1))
            with np.errstate(all="ignore"):
                samples = self._sampled(low[alike], extent[alike], count, x.shape[2:])
                result[alike] = self._bins(wide, batch[alike], *samples)
        return np.moveaxis(result.astype(x.dtype, copy=False), -1, 1)

    def _extents(self, regions: Array) -> tuple[Array, Array]:
        """Where each region begins in the picture, and how far it reaches: [R, 2] each."""
        number = regions.dtype.type
        scale, shift = number(self.scale), number(0.5 * self.half_pixel)
        low, high = regions[:, 1::-1] * scale - shift, regions[:, :1:-1] * scale - shift
        return low, high - low if self.half_pixel else np.maximum(high - low, 1)

    def _counts(self, extent: Array) -> Array:
        """How many samples a bin of each region has along each axis: [R, 2]."""
        if self.samples:
            return np.full(extent.shape, self.samples)
        wanted = np.ceil(extent / np.array(self.size, extent.dtype))
        return np.where(wanted < MOST, np.maximum(wanted, 0), 0).astype(np.int64)

    def _sampled(
        self, low: Array, extent: Array, counts: Array, sizes: tuple[int, ...]
    ) -> tuple[Samples, Samples]:
        """The samples of regions along both axes of a picture."""
        rows, columns = (
            _along(low[:, axis, None], extent[:, axis, None], (self.size[axis], int(count)), size)
            for axis, (count, size) in enumerate(zip(counts, sizes, strict=True))
        )
        return rows, columns

    def _bins(self, pictures: Array, batch: Array, rows: Samples, columns: Samples) -> Array:
        """Regions of pictures [N, H, W, C]: [R, *size, C]."""
        join = _largest if self.pooling is Pooling.MAX else _mean
        return np.stack(
            [
                join(pictures[picture], rows.of(region), columns.of(region))
                for region, picture in enumerate(batch.tolist())
            ]
        )

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


def _along(low: Array, extent: Array, grid: tuple[int, int], size: int) -> Samples:
    """The samples of regions [R, 1] along an axis of `size` elements.

    `grid` is how many bins there are, and samples in each.
    """
    bins, count = grid
    middle = np.arange(bins * count, dtype=low.dtype) + low.dtype.type(0.5)
    place = low + middle / low.dtype.type(count) * (extent / bins)
    outside = (place < -1) | (place > size)
    place = np.clip(place, 0, size - 1)
    first = place.astype(np.int64)
    far = place - first.astype(low.dtype)
    weights = np.where(outside[..., None], 0, np.stack([1 - far, far], -1))
    places = np.stack([first, np.minimum(first + 1, size - 1)], -1)
    shape = (len(low), bins, count, 2)
    return Samples(places.reshape(shape), weights.astype(low.dtype, copy=False).reshape(shape))


def _found(picture: Array, rows: Samples, columns: Samples) -> Array:
    """The elements around the samples of a region: [all of the rows, all of the columns, C]."""
    place = rows.places.reshape(-1, 1) * picture.shape[1] + columns.places.ravel()
    return np.asarray(picture.reshape(-1, picture.shape[2]).take(place, 0, mode="clip"))


def _mean(picture: Array, rows: Samples, columns: Samples) -> Array:
    """The mean of the samples of each bin: elements by their weights down, then across."""
    (high, down, _), (wide, across, _) = rows.places.shape, columns.places.shape
    found = _found(picture, rows, columns).reshape(high, 2 * down, -1)
    sums = rows.weights.reshape(high, 1, -1) @ found
    sums = columns.weights.reshape(wide, 1, -1) @ sums.reshape(high, wide, 2 * across, -1)
    return np.asarray(sums[:, :, 0] / picture.dtype.type(down * across))


def _largest(picture: Array, rows: Samples, columns: Samples) -> Array:
    """The largest weighted element of each bin."""
    found = _found(picture, rows, columns)
    weights = rows.weights.reshape(-1, 1) * columns.weights.ravel()
    weighted = (found * weights[..., None]).reshape(
        len(rows.places), -1, *columns.places.shape, found.shape[-1]
    )
    return np.asarray(weighted.max(axis=(1, 3, 4)))
