"""max_pool_indices: the largest element under a window, and where it stands."""

from __future__ import annotations

import math

import numpy as np

from ncc.ir.op import Array, Op, op
from ncc.ir.types import DType, TensorType
from ncc.ir.window import Sizes, Window, lowest


@op("max_pool_indices")
class MaxPoolIndices(Op):
    """x [N, C, *spatial] -> the largest elements [N, C, *output] and their indices (i64).

    An index counts the elements of x in row-major order; of equal elements the first counts.
    """

    kernel: Sizes
    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.strides, self.low, self.high, self.dilations)

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        self.window.check(x)
        found = x.with_shape((*x.shape[:2], *self.window.output(x.shape[2:])))
        return found, found.with_dtype(DType.i64)

    def eval(self, x: Array) -> tuple[Array, Array]:
        places = np.arange(x.size).reshape(x.shape)
        seen = self._flat_windows(x, lowest(x.dtype))
        best = seen.argmax(axis=2)[:, :, None]
        where = np.take_along_axis(self._flat_windows(places, -1), best, 2)
        return np.take_along_axis(seen, best, 2)[:, :, 0], where[:, :, 0]

    def _flat_windows(self, x: Array, padding: float) -> Array:
        """[N, C, taps, *output]."""
        seen = self.window.view(self.window.pad(x, padding))
        return seen.reshape(*seen.shape[:2], -1, *seen.shape[2 + len(self.kernel) :])

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size * math.prod(self.kernel)
