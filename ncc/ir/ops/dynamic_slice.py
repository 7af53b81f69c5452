"""Parts and borders that only the data decides: dynamic_slice, dynamic_pad."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.dynamic_reshape import length
from ncc.ir.ops.slice import python_slice
from ncc.ir.types import UNKNOWN, TensorType


@op("dynamic_slice")
class DynamicSlice(Op):
    """x[start : end : step] along each of `axes`; three lists, one number per axis.

    Negative starts and ends count from the end, and ones beyond the axis stop at its end.
    """

    host_only = True

    axes: tuple[int, ...]

    def infer(
        self, x: TensorType, starts: TensorType, ends: TensorType, steps: TensorType
    ) -> TensorType:
        require(
            set(self.axes) <= set(range(x.rank)) and len(set(self.axes)) == len(self.axes),
            f"dynamic_slice along axes {list(self.axes)} of {x}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        for operand, numbers in enumerate((starts, ends, steps), 1):
            require(
                length(numbers, operand) == len(self.axes),
                f"{numbers} for {len(self.axes)} axes",
                operand=operand,
            )
        return x.with_shape(
            UNKNOWN if axis in self.axes else dim for axis, dim in enumerate(x.shape)
        )

    def eval(self, x: Array, starts: Array, ends: Array, steps: Array) -> Array:
        require(0 not in steps, "a slice with step 0", operand=3)
        parts = [(0, size, 1) for size in x.shape]
        for axis, *part in zip(self.axes, starts, ends, steps, strict=True):
            start, end, step = map(int, part)
            parts[axis] = (*clamped(start, end, step, x.shape[axis]), step)
        return x[tuple(python_slice(*part) for part in parts)]


def clamped(start: int, end: int, step: int, size: int) -> tuple[int, int]:
    """The first index and the number of indices of start : end : step on an axis of `size`.

    Negative bounds count from the end; bounds beyond the axis are moved to its border, as the
    ONNX operator Slice says.
    """
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        start, end = min(max(start, 0), size), min(max(end, 0), size)
    else:
        start, end = min(max(start, 0), size - 1), min(max(end, -1), size - 1)
    return max(start, 0), len(range(start, end, step)) if size else 0


class PadMode(Enum):
    """What lies around a padded tensor."""

    constant = "constant"
    edge = "edge"
    """The nearest element."""
    reflect = "reflect"
    """The elements in reverse order, without the outermost."""
    wrap = "wrap"
    """The elements again from the other side."""


@op("dynamic_pad")
class DynamicPad(Op):
    """x with a border; `amounts` holds those before each of `axes`, then those behind.

    Negative amounts cut. `value` (a scalar) fills the border in mode `constant`.
    """

    host_only = True

    axes: tuple[int, ...]
    mode: PadMode = PadMode.constant

    def infer(self, x: TensorType, amounts: TensorType, value: TensorType) -> TensorType:
        require(
            set(self.axes) <= set(range(x.rank)) and length(amounts, 1) == 2 * len(self.axes),
            f"dynamic_pad of {x} along axes {list(self.axes)} by {amounts}",
            operand=1,
            label=f"needs {2 * len(self.axes)} amounts",
        )
        require(value.dtype is x.dtype, f"{x} is padded with {value}", operand=2)
        return x.with_shape(
            UNKNOWN if axis in self.axes else dim for axis, dim in enumerate(x.shape)
        )

    def eval(self, x: Array, amounts: Array, value: Array) -> Array:
        widths = np.zeros((x.ndim, 2), np.int64)
        widths[list(self.axes)] = amounts.reshape(2, -1).T
        kept = tuple(
            slice(max(-low, 0), size + min(high, 0))
            for size, (low, high) in zip(x.shape, widths.tolist(), strict=True)
        )
        border = np.maximum(widths, 0).tolist()
        if self.mode is PadMode.constant:
            return np.pad(x[kept], border, constant_values=value.item())
        return np.pad(x[kept], border, self.mode.value)
