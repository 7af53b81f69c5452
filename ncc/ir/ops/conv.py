"""conv: slide filters over the spatial axes of a tensor."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.matmul import compatible
from ncc.ir.types import DType, TensorType, dim_mul
from ncc.ir.window import Sizes, Window, at_axis


@op("conv")
class Conv(Op):
    """x [N, C, *spatial] under filters w [O, C/groups, *kernel]: [N, O, *output].

    Padding is zero. Sums of narrow floats are kept in f32 and rounded once, to `result` (default:
    the type of x); w may be of the type that sums are kept in.
    """

    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes
    groups: int = 1
    result: DType | None = None

    def window(self, w: TensorType) -> Window:
        """How filters of type `w` slide."""
        return Window(w.dims[2:], self.strides, self.low, self.high, self.dilations)

    def is_depthwise(self, w: TensorType) -> bool:
        """Whether filters of type `w` see one channel each, and every channel has one."""
        return self.groups > 1 and w.dims[:2] == (self.groups, 1)

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        require(
            w.rank == x.rank and w.is_static,
            f"filters {w} do not slide over {x}: both have one axis per axis of the other",
            operand=1,
        )
        require(
            w.dtype in {x.dtype, x.dtype.compute},
            f"cannot convolve {x} with {w}",
            hint="cast one of them first",
            operand=1,
            label=f"is {w.dtype.value}, needs {x.dtype.value}",
        )
        window = self.window(w)
        window.check(x)
        filters, channels = w.dims[:2]
        require(
            self.groups > 0 and compatible(x.shape[1], dim_mul(channels, self.groups)),
            f"cannot convolve {x} with {w} in {self.groups} groups",
            operand=0,
            label=f"has {x.shape[1]} channels, needs {channels * self.groups}",
        )
        require(
            filters % self.groups == 0,
            f"{filters} filters cannot be split into {self.groups} groups",
            operand=1,
        )
        shape = (x.shape[0], filters, *window.output(x.shape[2:]))
        return TensorType(self.result or x.dtype, shape)

    def eval(self, x: Array, w: Array) -> Array:
        dtype = DType.of(x.dtype)
        inner = dtype.compute.numpy
        window = Window(w.shape[2:], self.strides, self.low, self.high, self.dilations)
        padded = window.pad(x.astype(inner, copy=False), 0)
        with np.errstate(all="ignore"):
            sums = _correlate(padded, w.astype(inner, copy=False), window, self.groups)
            return sums.astype((self.result or dtype).numpy, copy=False)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 2 * results[0].size * math.prod(operands[1].dims[1:])


def _correlate(padded: Array, w: Array, window: Window, groups: int) -> Array:
    """The sums of a convolution: a matrix product per group and row of taps."""
    filters, channels, *kernel = w.shape
    seen = window.view(padded)
    n, out = seen.shape[0], seen.shape[2 + len(kernel) :]
    split = w.reshape(groups, filters // groups, channels, *kernel)
    total = np.zeros((n, groups, filters // groups, math.prod(out)), padded.dtype)
    for row in itertools.product(*map(range, kernel[:-1])):
        patches = at_axis(seen, 2, row).reshape(n, groups, channels * kernel[-1], -1)
        weights = at_axis(split, 3, row).reshape(groups, filters // groups, -1)
        total += weights @ patches
    return total.reshape(n, filters, *out)
