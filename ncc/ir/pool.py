"""What every pooling op is: one number from the elements under a window."""

from __future__ import annotations

import dataclasses
import math

from ncc.ir.op import Array, Op
from ncc.ir.types import TensorType
from ncc.ir.window import (
    Sizes,
    Window,
    channels_first,
    channels_last,
    joined_axes,
    layout_after,
    split_axes,
)


@dataclasses.dataclass(frozen=True)
class Pool(Op):
    """x [N, C, *spatial] -> [N, C, *output], with `channels_last` [N, *spatial, C] for both.

    `high` may reach beyond the last place where the window fits.
    """

    kernel: Sizes
    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes
    channels_last: bool = False

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.strides, self.low, self.high, self.dilations)

    def pool(self, x: Array) -> Array:
        """The results [N, C, *output] for x [N, C, *spatial]."""
        raise NotImplementedError(f"{self.name} has no reference meaning")

    def infer(self, x: TensorType) -> TensorType:
        self.window.check(x)
        n, c, spatial = split_axes(x, self.channels_last)
        return x.with_shape(joined_axes(n, c, self.window.output(spatial), self.channels_last))

    def eval(self, x: Array) -> Array:
        return channels_last(self.pool(channels_first(x))) if self.channels_last else self.pool(x)

    def permuted(self, perm: tuple[int, ...], types: tuple[TensorType, ...]) -> Op | None:
        last = layout_after(perm, self.channels_last)
        return None if last is None else dataclasses.replace(self, channels_last=last)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size * math.prod(self.kernel)
