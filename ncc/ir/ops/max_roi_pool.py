"""max_roi_pool: the largest element of each bin of a region."""

from __future__ import annotations

import math

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.gather import check_range
from ncc.ir.types import DType, TensorType


@op("max_roi_pool")
class MaxRoiPool(Op):
    """x [N, C, H, W], regions [R, 5] as (sample, x1, y1, x2, y2) -> [R, C, *size].

    Corners are multiplied by `scale` and rounded; an empty bin gives 0; https://arxiv.org/abs/1504.08083.
    """

    size: tuple[int, int]
    scale: float

    def infer(self, x: TensorType, regions: TensorType) -> TensorType:
        require(
            x.rank == 4 and x.dtype.is_float and min(self.size) > 0,
            f"max_roi_pool takes floats [N, C, H, W], not {x}",
            operand=0,
        )
        require(
            regions.rank == 2 and regions.shape[1] == 5 and regions.dtype is x.dtype,
            f"regions are {x.dtype.value}[R, 5], not {regions}",
            operand=1,
        )
        return x.with_shape((regions.shape[0], x.shape[1], *self.size))

    def eval(self, x: Array, regions: Array) -> Array:
        wide = regions.astype(DType.of(x.dtype).compute.numpy)
        samples = wide[:, 0].astype(np.int64)
        check_range(samples, len(x))
        corners = np.floor(wide[:, 1:] * wide.dtype.type(self.scale) + 0.5).astype(np.int64)
        found = np.zeros((len(regions), x.shape[1], *self.size), x.dtype)
        for index, (left, top, right, bottom) in enumerate(corners.tolist()):
            picture = x[samples[index]]
            rows = _bins(top, bottom, self.size[0], picture.shape[1])
            columns = _bins(left, right, self.size[1], picture.shape[2])
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    part = picture[:, row, column]
                    found[index, :, i, j] = part.max(axis=(1, 2)) if part.size else 0
        return found

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size


def _bins(first: int, last: int, count: int, size: int) -> list[slice]:
    """An axis from `first` to `last` in `count` bins, cut to the `size` elements there are."""
    extent = max(last - first + 1, 1) / count
    return [
        slice(
            min(max(math.floor(index * extent) + first, 0), size),
            min(max(math.ceil((index + 1) * extent) + first, 0), size),
        )
        for index in range(count)
    ]
