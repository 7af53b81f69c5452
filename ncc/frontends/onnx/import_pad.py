"""Importers of Pad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axes_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.fold import constant_array
from ncc.ir.graph import Value
from ncc.ir.op import Array, require
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.dynamic_slice import DynamicPad, PadMode
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

Amounts = Sequence[int]
"""One number per axis; negative ones cut."""


@importer("Pad")
def pad_attributes(ctx: Context) -> Value:
    pads, x = ctx.need_attr("pads"), ctx.type(0)
    require(len(pads) == 2 * x.rank, f"{len(pads)} pads for the axes of {x}")
    value = ctx.const(ctx.attr("value", 0.0), x.dtype)
    return _padded(ctx, pads[: x.rank], pads[x.rank :], value)


@importer("Pad", since=11)
def pad_operands(ctx: Context) -> Value:
    x, pads = ctx.type(0), ctx.constant(1)
    value = ctx.operand(2) or ctx.const(0, x.dtype)
    given = list(range(x.rank)) if ctx.operand(3) is None else ctx.integers(3)
    if given is None:
        return ctx.build(DynamicPad(None, _mode(ctx)), ctx[0], ctx[1], value, ctx[3])
    axes = axes_of(given, x.rank)
    if pads is None or not x.is_static:
        return ctx.build(DynamicPad(axes, _mode(ctx)), ctx[0], ctx[1], value)
    require(pads.size == 2 * len(axes), f"{pads.size} pads for axes {list(axes)}", operand=1)
    low, high = [0] * x.rank, [0] * x.rank
    for axis, before, behind in zip(axes, *pads.reshape(2, -1).tolist(), strict=True):
        low[axis], high[axis] = before, behind
    return _padded(ctx, low, high, value)


def _mode(ctx: Context) -> PadMode:
    name = ctx.attr("mode", "constant")
    if name not in {mode.value for mode in PadMode}:
        raise NccError("invalid-model", f"'{name}' is not a mode of Pad")
    return PadMode(name)


def _padded(ctx: Context, low: Amounts, high: Amounts, value: Value) -> Value:
    x, mode = _cut(ctx, low, high), _mode(ctx)
    low, high = [max(n, 0) for n in low], [max(n, 0) for n in high]
    if mode is PadMode.constant:
        return _with_constant(ctx, x, low, high, value)
    for axis, size in enumerate(x.tensor.dims):
        if low[axis] or high[axis]:
            require(size, f"{x.type} has nothing to repeat along axis {axis}", operand=0)
            taken = np.pad(np.arange(size), (low[axis], high[axis]), mode.value)
            x = _between(ctx, x, axis, taken[: low[axis]], taken[low[axis] + size :])
    return x


def _between(ctx: Context, x: Value, axis: int, before: Array, behind: Array) -> Value:
    """x between the elements of it along `axis` that two lists of indices name."""
    sides = [
        [ctx.build(Gather(axis), x, ctx.const(taken, DType.i32))] if taken.size else []
        for taken in (before, behind)
    ]
    return ctx.build(Concat(axis), *sides[0], x, *sides[1])


def _cut(ctx: Context, low: Amounts, high: Amounts) -> Value:
    """Operand 0 without the elements that negative amounts take away."""
    starts = tuple(max(-n, 0) for n in low)
    ends = [dim + min(n, 0) for dim, n in zip(ctx.type(0).dims, high, strict=True)]
    sizes = tuple(end - start for start, end in zip(starts, ends, strict=True))
    if sizes == ctx.type(0).dims:
        return ctx[0]
    require(min(sizes) >= 0, f"negative pads cut more than {ctx.type(0)} has", operand=0)
    return ctx.build(Slice(starts, sizes, (1,) * len(sizes)), ctx[0])


def _with_constant(ctx: Context, x: Value, low: Amounts, high: Amounts, value: Value) -> Value:
    known = constant_array(value)
    require(known is None or known.size == 1, f"a padding of {value.type}, not of one number")
    if known is not None and (x.tensor.dtype.is_float or int(float(known.item())) == known.item()):
        return ctx.build(Pad(tuple(low), tuple(high), float(known.item())), x)
    inside = ctx.build(BroadcastTo(x.tensor.shape), ctx.const(True))
    inside = ctx.build(Pad(tuple(low), tuple(high)), inside)
    around = ctx.build(Pad(tuple(low), tuple(high)), x)
    return ctx.build(Where(), inside, around, value)
