"""average_pool: the mean of the elements under a window."""

import math

import numpy as np

from ncc.ir.op import Array, op
from ncc.ir.pool import Pool
from ncc.ir.types import DType
from ncc.ir.window import Sizes


@op("average_pool")
class AveragePool(Pool):
    """Padding is zeros that count with `count_include_pad`; else the mean is of elements of x."""

    count_include_pad: bool = False

    def pool(self, x: Array) -> Array:
        wide = x.astype(DType.of(x.dtype).compute.numpy, copy=False)
        with np.errstate(all="ignore"):
            mean: Array = np.divide(self._sums(wide), self.counts(x.shape[2:]), dtype=wide.dtype)
            return np.asarray(mean, x.dtype)

    def counts(self, spatial: Sizes) -> Array:
        """How many elements each mean is of: [1, 1, *output], or one number for all."""
        if self.count_include_pad:
            return np.asarray(math.prod(self.kernel), np.float32)
        return self._sums(np.ones((1, 1, *spatial), np.float32))

    def _sums(self, x: Array) -> Array:
        seen = self.window.view(self.window.pad(x, 0))
        sums: Array = seen.sum(axis=self.window.tap_axes, dtype=x.dtype)
        return sums
