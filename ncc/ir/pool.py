"""What every pooling op is: one number from the elements under a window."""

from __future__ import annotations

import dataclasses
import math

from ncc.ir.op import Array, Op
from ncc.ir.types import TensorType
from ncc.ir.window import Sizes, Window


@dataclasses.dataclass(frozen=True)
class Pool(Op):
    """x [N, C, *spatial] -> [N, C, *output]; `high` may reach beyond the last place that fits."""

    kernel: Sizes
    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.strides, self.low, self.high, self.dilations)

    def pool(self, x: Array) -> Array:
        """The results [N, C, *output] for x [N, C, *spatial]."""
        raise NotImplementedError(f"{self.name} has no reference meaning")

    def infer(self, x: TensorType) -> TensorType:
        self.window.check(x)
        return x.with_shape((*x.shape[:2], *self.window.output(x.shape[2:])))

    def eval(self, x: Array) -> Array:
        return self.pool(x)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size * math.prod(self.kernel)
