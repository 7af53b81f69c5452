"""Parts and borders that only the data decides: dynamic_slice, dynamic_pad."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np

from ncc.diagnostics import NccError
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.dynamic_reshape import length
from ncc.ir.ops.slice import python_slice
from ncc.ir.types import UNKNOWN, TensorType


@op("dynamic_slice")
class DynamicSlice(Op):
    """x[start : end : step] along each of the axes; three lists, one number per axis.

    Negative starts and ends count from the end, and ones beyond the axis stop at its end. The
    axes are an attribute when they are known, else one more list.
    """

    host_only = True

    axes: tuple[int, ...] | None = None

    def infer(
        self,
        x: TensorType,
        starts: TensorType,
        ends: TensorType,
        steps: TensorType,
        axes: TensorType | None = None,
    ) -> TensorType:
        count = _count(self.axes, axes, x)
        for operand, numbers in enumerate((starts, ends, steps), 1):
            require(
                length(numbers, operand) == count,
                f"{numbers} for {count} axes",
                operand=operand,
                label=f"needs {count} numbers",
            )
        return _opened(x, self.axes)

    def eval(
        self, x: Array, starts: Array, ends: Array, steps: Array, axes: Array | None = None
    ) -> Array:
        require(0 not in steps, "a slice with step 0", operand=3)
        parts = [(0, size, 1) for size in x.shape]
        for axis, *part in zip(_known(self.axes, axes), starts, ends, steps, strict=True):
            start, end, step = map(int, part)
            axis = axis_in(axis, x.ndim)
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
    """x with a border; `amounts` holds those before each of the axes, then those behind.

    Negative amounts cut. `value` (one element) fills the border in mode `constant`. The axes are
    an attribute when they are known, else one more list.
    """

    host_only = True

    axes: tuple[int, ...] | None = None
    mode: PadMode = PadMode.constant

    def infer(
        self,
        x: TensorType,
        amounts: TensorType,
        value: TensorType,
        axes: TensorType | None = None,
    ) -> TensorType:
        count = _count(self.axes, axes, x)
        require(
            length(amounts, 1) == 2 * count,
            f"{amounts} for {count} axes",
            operand=1,
            label=f"needs {2 * count} amounts",
        )
        require(value.dtype is x.dtype, f"{x} is padded with {value}", operand=2)
        return _opened(x, self.axes)

    def eval(self, x: Array, amounts: Array, value: Array, axes: Array | None = None) -> Array:
        widths = np.zeros((x.ndim, 2), np.int64)
        for axis, *width in zip(_known(self.axes, axes), *amounts.reshape(2, -1), strict=True):
            widths[axis_in(axis, x.ndim)] = width
        kept = tuple(
            slice(max(-low, 0), size + min(high, 0))
            for size, (low, high) in zip(x.shape, widths.tolist(), strict=True)
        )
        border = np.maximum(widths, 0).tolist()
        if self.mode is PadMode.constant:
            return np.pad(x[kept], border, constant_values=value.item())
        return np.pad(x[kept], border, self.mode.value)


def axis_in(axis: int, rank: int) -> int:
    """`axis` counted from 0; NccError when a tensor of `rank` axes has none like it."""
    if not -rank <= axis < rank:
        raise NccError("shape", f"axis {axis} of a tensor of {rank} axes")
    return int(axis) % rank


def _count(axes: tuple[int, ...] | None, given: TensorType | None, x: TensorType) -> int:
    """How many axes an attribute, or else a list, names."""
    if axes is None:
        assert given is not None, "axes are an attribute or an operand"
        return length(given, 3)
    require(
        set(axes) <= set(range(x.rank)) and len(set(axes)) == len(axes) and given is None,
        f"axes {list(axes)} of {x}",
        operand=0,
        label=f"has {x.rank} axes",
    )
    return len(axes)


def _known(axes: tuple[int, ...] | None, given: Array | None) -> Sequence[int]:
    if axes is not None:
        return axes
    assert given is not None, "axes are an attribute or an operand"
    named: list[int] = given.tolist()
    return named


def _opened(x: TensorType, axes: tuple[int, ...] | None) -> TensorType:
    """The type of `x` after a change of `axes`, or of any when they are not known."""
    changed = range(x.rank) if axes is None else axes
    return x.with_shape(UNKNOWN if axis in changed else dim for axis, dim in enumerate(x.shape))
