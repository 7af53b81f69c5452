"""Windows that slide over the spatial axes of a tensor: what conv and pooling share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.ir.op import require
from ncc.ir.types import Dim, TensorType, dim_add, dim_floordiv

Array = npt.NDArray[Any]
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """One number per spatial axis: taps, step, padding before and after, distance of taps."""

    kernel: Sizes
    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes

    @property
    def tap_axes(self) -> Sizes:
        """The axes of `view` that count taps."""
        return tuple(range(2, 2 + len(self.kernel)))

    def check(self, x: TensorType) -> None:
        """Refuse numbers that make no window over an operand of type `x`."""
        fields = (self.kernel, self.strides, self.low, self.high, self.dilations)
        require(
            x.rank >= 3 and all(len(values) == x.rank - 2 for values in fields),
            f"the window has {len(self.kernel)} axes, {x} has {max(x.rank - 2, 0)} spatial ones",
            operand=0,
        )
        require(
            min(self.kernel + self.strides + self.dilations) > 0 and min(self.low + self.high) >= 0,
            "kernel, strides and dilations are positive and padding is not negative",
        )

    def output(self, spatial: Sequence[Dim]) -> tuple[Dim, ...]:
        """How often the window fits on each axis; NccError when it does not fit once."""
        found = []
        for axis, size in enumerate(spatial):
            reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1
            padding = self.low[axis] + self.high[axis]
            room = dim_add(size, padding - reach)
            require(
                not isinstance(room, int) or room >= 0,
                f"a window of {reach} does not fit on spatial axis {axis}: {size} + {padding}",
                hint="use a larger input or more padding",
            )
            found.append(dim_add(dim_floordiv(room, self.strides[axis]), 1))
        return tuple(found)

    def pad(self, x: Array, value: float) -> Array:
        """x [N, C, *spatial] with its padding filled."""
        widths = [(0, 0), (0, 0), *zip(self.low, self.high, strict=True)]
        return np.pad(x, widths, constant_values=value) if any(self.low + self.high) else x

    def view(self, padded: Array) -> Array:
        """What each tap sees, as a view [N, C, *kernel, *output] of the padded operand."""
        rows = zip(padded.shape[2:], self.kernel, self.strides, self.dilations, strict=True)
        out = [(size - step * (taps - 1) - 1) // by + 1 for size, taps, by, step in rows]
        unit = padded.strides[2:]
        between = [stride * step for stride, step in zip(unit, self.dilations, strict=True)]
        along = [stride * by for stride, by in zip(unit, self.strides, strict=True)]
        return np.lib.stride_tricks.as_strided(
            padded,
            (*padded.shape[:2], *self.kernel, *out),
            (*padded.strides[:2], *between, *along),
            writeable=False,
        )


def at_axis(x: Array, axis: int, places: Iterable[Any]) -> Array:
    """x indexed by `places` on the axes from `axis` on."""
    index: tuple[Any, ...] = (*[slice(None)] * axis, *places)
    found: Array = x[index]
    return found


def lowest(dtype: np.dtype[Any]) -> float:
    """What is never larger than another element of `dtype`."""
    return int(np.iinfo(dtype).min) if dtype.kind in "iu" else -np.inf
