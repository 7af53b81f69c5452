"""conv: slide filters over the spatial axes of a tensor."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import part
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.matmul import compatible, product_of, sums_of
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import Dim, DType, TensorType, dim_mul
from ncc.ir.window import Sizes, Window, at_axis


@op("conv")
class Conv(Op):
    """x [N, C, *spatial] under filters w [O, C/groups, *kernel]: [N, O, *output].

    Padding is zero. Sums of narrow floats are kept in f32 and rounded once, to `result` (default:
    the type of x); w may be of the type that sums are kept in. Products of u8 with i8 are summed in
    i32, which wraps around and is the default.
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
            _sums_of(x.dtype, w.dtype) is not None,
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
        return TensorType(self.result or product_of(x.dtype, w.dtype), shape)

    def eval(self, x: Array, w: Array) -> Array:
        dtypes = DType.of(x.dtype), DType.of(w.dtype)
        sums_in = _sums_of(*dtypes)
        assert sums_in is not None, "the operands have types that are multiplied"
        inner = sums_in.numpy
        window = Window(w.shape[2:], self.strides, self.low, self.high, self.dilations)
        padded = window.pad(x.astype(inner, copy=False), 0)
        with np.errstate(all="ignore"):
            sums = _correlate(padded, w.astype(inner, copy=False), window, self.groups)
            return sums.astype((self.result or product_of(*dtypes)).numpy, copy=False)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 2 * results[0].size * math.prod(operands[1].dims[1:])


def _sums_of(x: DType, w: DType) -> DType | None:
    """The type of sums, which filters may have as well; None for types that have no products."""
    return x.compute if w is x.compute else sums_of(x, w)


def _correlate(padded: Array, w: Array, window: Window, groups: int) -> Array:
    """The sums of a convolution: a matrix product per group and row of taps."""
    filters, channels, *kernel = w.shape
    terms = channels * kernel[-1]
    seen = window.view(padded)
    n, out = seen.shape[0], seen.shape[2 + len(kernel) :]
    split = w.reshape(groups, filters // groups, channels, *kernel)
    total = np.zeros((n, groups, filters // groups, math.prod(out)), padded.dtype)
    for row in itertools.product(*map(range, kernel[:-1])):
        patches = at_axis(seen, 2, row).reshape(n, groups, terms, math.prod(out))
        weights = at_axis(split, 3, row).reshape(groups, filters // groups, terms)
        total += weights @ patches
    return total.reshape(n, filters, *out)


@canonical(P(Conv, V("x"), V("w"), bind="conv"))
def drop_taps_in_padding(build: Builder, conv: Conv, x: Value, w: Value) -> Value | Skip:
    """conv(x, w) -> conv(x, part of w) without the outer taps that only ever see padding."""
    if not x.tensor.is_static:
        return Skip(f"{x.type} has a size that is not a number")
    window, sizes = conv.window(w.tensor), x.tensor.dims[2:]
    reach = zip(window.output(sizes), sizes, strict=True)
    seen = [_taps_inside(window, axis, out, size) for axis, (out, size) in enumerate(reach)]
    if not all(seen):
        return Skip("no tap sees an element")
    if tuple(map(len, seen)) == window.kernel:
        return Skip("every tap sees an element")
    by = conv.dilations
    low = tuple(n - taps[0] * d for n, taps, d in zip(conv.low, seen, by, strict=True))
    gone = (k - 1 - taps[-1] for k, taps in zip(window.kernel, seen, strict=True))
    high = tuple(n - more * d for n, more, d in zip(conv.high, gone, by, strict=True))
    if min(low + high) < 0:
        return Skip("what is left would begin inside")
    for axis, taps in enumerate(seen, 2):
        w = part(build, w, axis, taps[0], len(taps))
    return build(dataclasses.replace(conv, low=low, high=high), x, w)


def _taps_inside(window: Window, axis: int, out: Dim, size: int) -> range:
    """The taps along an axis that lie over an element for some place of the window."""
    assert isinstance(out, int)
    last = (out - 1) * window.strides[axis]
    first = [tap * window.dilations[axis] - window.low[axis] for tap in range(window.kernel[axis])]
    inside = [tap for tap, start in enumerate(first) if start + last >= 0 and start < size]
    return range(inside[0], inside[-1] + 1) if inside else range(0)
