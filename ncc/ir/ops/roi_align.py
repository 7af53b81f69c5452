"""roi_align: a grid of samples from each region of a picture."""

from __future__ import annotations

import itertools
import math
from enum import Enum

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.gather import check_range
from ncc.ir.types import DType, TensorType

Corners = tuple[tuple[Array, Array], tuple[Array, Array]]
"""The element before a place and its weight, then the element after it and its weight."""


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

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 8 * results[0].size * max(self.samples, 1) ** 2


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
