"""conv_transpose: the gradient of a convolution, which enlarges a tensor."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import compatible
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import Dim, DType, TensorType, dim_add, dim_mul
from ncc.ir.window import Sizes, at_axis


@op("conv_transpose")
class ConvTranspose(Op):
    """x [N, C, *spatial] spread by filters w [C, O/groups, *kernel]: [N, O, *output].

    Element i of x adds x[i] * w[k] to element i * stride + k * dilation of the full result, from
    which `low` and `high` elements are cut; `extra` zeros follow it before the cut.
    """

    strides: Sizes
    low: Sizes
    high: Sizes
    dilations: Sizes
    extra: Sizes
    groups: int = 1
    result: DType | None = None

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        fields = (self.strides, self.low, self.high, self.dilations, self.extra)
        require(
            w.rank == x.rank >= 3 and w.is_static and {len(f) for f in fields} == {x.rank - 2},
            f"filters {w} do not spread {x}: both have one axis per axis of the other",
            operand=1,
        )
        require(w.dtype is x.dtype, f"cannot convolve {x} with {w}", operand=1)
        require(
            min(self.strides + self.dilations) > 0 and min(self.low + self.high + self.extra) >= 0,
            "strides and dilations are positive, padding is not negative",
        )
        require(
            self.groups > 0 and compatible(x.shape[1], w.shape[0]) and w.dims[0] % self.groups == 0,
            f"cannot convolve {x} with {w} in {self.groups} groups",
            operand=0,
            label=f"has {x.shape[1]} channels, needs {w.shape[0]}",
        )
        spatial = [self._output(axis, size, w) for axis, size in enumerate(x.shape[2:])]
        shape = (x.shape[0], w.dims[1] * self.groups, *spatial)
        return TensorType(self.result or x.dtype, shape)

    def _output(self, axis: int, size: Dim, w: TensorType) -> Dim:
        reach = self.dilations[axis] * (w.dims[2 + axis] - 1) + 1
        around = reach + self.extra[axis] - self.low[axis] - self.high[axis]
        found = dim_add(dim_mul(dim_add(size, -1), self.strides[axis]), around)
        require(
            not isinstance(found, int) or found >= 0,
            f"padding cuts more than there is on spatial axis {axis}",
        )
        return found

    def eval(self, x: Array, w: Array) -> Array:
        dtype = DType.of(x.dtype)
        inner = dtype.compute.numpy
        n, c, *spatial = x.shape
        _, per_group, *kernel = w.shape
        columns = x.astype(inner, copy=False).reshape(n, self.groups, c // self.groups, -1)
        filters = w.astype(inner, copy=False).reshape(
            self.groups, c // self.groups, per_group, *kernel
        )
        full = np.zeros((n, self.groups, per_group, *self._full(spatial, kernel)), inner)
        for tap in itertools.product(*map(range, kernel)):
            weights = at_axis(filters, 3, tap).swapaxes(1, 2)
            spread = at_axis(full, 3, self._places(tap, spatial))
            spread += (weights @ columns).reshape(spread.shape)
        cuts = [
            slice(low, size - high)
            for low, size, high in zip(self.low, full.shape[3:], self.high, strict=True)
        ]
        kept = at_axis(full, 3, cuts)
        made = kept.reshape(n, self.groups * per_group, *kept.shape[3:])
        return made.astype((self.result or dtype).numpy, copy=False)

    def _full(self, spatial: list[int], kernel: list[int]) -> list[int]:
        """The spatial sizes before anything is cut."""
        rows = zip(spatial, self.strides, self.dilations, kernel, self.extra, strict=True)
        return [
            (size - 1) * by + step * (taps - 1) + 1 + extra for size, by, step, taps, extra in rows
        ]

    def _places(self, tap: Sizes, spatial: list[int]) -> list[slice]:
        """Where a tap adds to the full result."""
        rows = zip(tap, self.dilations, spatial, self.strides, strict=True)
        return [slice(k * step, k * step + (size - 1) * by + 1, by) for k, step, size, by in rows]

    def decompose(self, build: Builder, x: Value, w: Value) -> Value:
        """A convolution whose channels are prod(strides) neighbours of the result, put in place.

        Element q * stride + p of the full result is the sum over t of
        x[q - t] * w[p + stride * t]: for each phase p a convolution with every stride-th tap.
        """
        n, filters, *out = self.infer(x.tensor, w.tensor).dims
        strided = max(self.strides) > 1
        spread = _dilated(build, w, self.dilations) if strided else w
        phases = _phases(build, spread, self.strides, self.groups)
        steps = (1,) * len(out) if strided else self.dilations
        first = [low // by for low, by in zip(self.low, self.strides, strict=True)]
        ends = zip(self.low, out, self.strides, strict=True)
        count = [-(-(low + size) // by) - q for (low, size, by), q in zip(ends, first, strict=True)]
        sums = _conv_range(build, x, phases, first, count, steps, self)
        if not strided:
            return sums
        starts = [low - q * by for low, q, by in zip(self.low, first, self.strides, strict=True)]
        placed = _interleaved(build, sums, self.strides, self.groups)
        cut = Slice((0, 0, *starts), (n, filters, *out), (1,) * (2 + len(out)))
        return build(cut, placed)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 2 * operands[0].size * math.prod(operands[1].dims[1:])


def _dilated(build: Builder, w: Value, steps: Sizes) -> Value:
    """The filters with `step - 1` zeros between their taps."""
    if max(steps) == 1:
        return w
    head, taps = w.tensor.dims[:2], w.tensor.dims[2:]
    apart = build(Reshape((*head, *itertools.chain(*((size, 1) for size in taps)))), w)
    zeros = (0, 0, *itertools.chain(*((0, step - 1) for step in steps)))
    padded = build(Pad((0,) * len(zeros), zeros), apart)
    joined = build(Reshape((*head, *map(int.__mul__, taps, steps))), padded)
    sizes = [step * (size - 1) + 1 for size, step in zip(taps, steps, strict=True)]
    rank = w.tensor.rank
    return build(Slice((0,) * rank, (*head, *sizes), (1,) * rank), joined)


def _phases(build: Builder, w: Value, strides: Sizes, groups: int) -> Value:
    """Filters of a convolution from w [C, O/groups, *kernel]: [O * strides, C/groups, *taps].

    Filter (g, p, o) has the taps p + stride * t of w, last t first: the results of one phase are
    neighbours among the channels. The phase along the last axis is the slowest part of p, so that
    it and the places along that axis are one axis where channels lie fastest.
    """
    c, per_group, *kernel = w.tensor.dims
    axes = range(len(kernel))
    taps = [-(-size // by) for size, by in zip(kernel, strides, strict=True)]
    missing = [by * t - size for by, t, size in zip(strides, taps, kernel, strict=True)]
    padded = build(Pad((0,) * w.tensor.rank, (0, 0, *missing)), w) if any(missing) else w
    pairs = itertools.chain(*zip(taps, strides, strict=True))
    split = build(Reshape((groups, c // groups, per_group, *pairs)), padded)
    perm = (0, *(4 + 2 * axis for axis in axes[::-1]), 2, 1, *(3 + 2 * axis for axis in axes))
    moved = build(Transpose(perm), split)
    shape = (groups * per_group * math.prod(strides), c // groups, *taps)
    last = [size - 1 for size in taps]
    flip = Slice((0, 0, *last), shape, (1, 1, *[-1] * len(taps)))
    return build(flip, build(Reshape(shape), moved))


def _conv_range(
    build: Builder,
    x: Value,
    filters: Value,
    first: list[int],
    count: list[int],
    steps: Sizes,
    op: ConvTranspose,
) -> Value:
    """`count` sums per axis from `first` on; sum q sees x[q - t * step] through tap t from last."""
    taps, spatial = filters.tensor.dims[2:], x.tensor.dims[2:]
    reach = [step * (size - 1) for step, size in zip(steps, taps, strict=True)]
    low = [distance - q for distance, q in zip(reach, first, strict=True)]
    rows = zip(count, reach, spatial, low, strict=True)
    high = [many + distance - size - given for many, distance, size, given in rows]
    starts = [max(0, -amount) for amount in low]
    ends = [size - max(0, -amount) for size, amount in zip(spatial, high, strict=True)]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    seen = Slice((0, 0, *starts), (*x.tensor.dims[:2], *sizes), (1,) * x.tensor.rank)
    before, after = (tuple(max(0, amount) for amount in side) for side in (low, high))
    conv = Conv((1,) * len(taps), before, after, steps, op.groups, op.result)
    return build(conv, build(seen, x), filters)


def _interleaved(build: Builder, x: Value, strides: Sizes, groups: int) -> Value:
    """[N, groups * strides * O, *sizes] -> [N, groups * O, *(sizes * strides)].

    Strides are in the order of `_phases`.
    """
    n, depth, *sizes = x.tensor.dims
    channels, rank = depth // math.prod(strides), len(strides)
    split = build(Reshape((n, groups, *strides[::-1], channels // groups, *sizes)), x)
    pairs = itertools.chain(*((3 + rank + axis, 1 + rank - axis) for axis in range(rank)))
    moved = build(Transpose((0, 1, 2 + rank, *pairs)), split)
    return build(Reshape((n, channels, *map(int.__mul__, sizes, strides))), moved)
