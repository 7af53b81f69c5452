"""Importers of ops that cut tensors up, join them and repeat them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncc.frontends.onnx.axes import axes_of, axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.fold import constant_array
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require, unsupported
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.dynamic_reshape import DynamicTile, length
from ncc.ir.ops.dynamic_slice import DynamicSlice, clamped
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType


@importer("Concat")
def concat(ctx: Context) -> Value:
    axis = axis_of(ctx.need_attr("axis"), ctx.type(0).rank)
    return ctx.build(Concat(axis), *(ctx[index] for index in range(len(ctx.operands))))


@importer("Split")
def split(ctx: Context) -> tuple[Value, ...]:
    """Sizes as given (an attribute before opset 13), else equal ones, the last may be smaller."""
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    whole = ctx.type(0).shape[axis]
    if not isinstance(whole, int):
        raise unsupported(f"Split of an axis of {ctx.type(0)} whose size the data decides")
    given = ctx.attr("split")
    if ctx.operand(1) is not None:
        given = ctx.need_constant(1, "split").tolist()
    count = ctx.attr("num_outputs", ctx.outputs)
    each = -(-whole // count)
    sizes = given or [max(min(each, whole - index * each), 0) for index in range(count)]
    require(
        sum(sizes) == whole and min(sizes) >= 0 and len(sizes) == ctx.outputs,
        f"{ctx.type(0)} split along axis {axis} into {ctx.outputs} parts of {list(sizes)}",
        operand=0,
        label=f"has {whole} along axis {axis}",
    )
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    pairs = zip(starts, sizes, strict=True)
    return tuple(part(ctx.build, ctx[0], axis, start, size) for start, size in pairs)


@importer("Slice")
def slice_attributes(ctx: Context) -> Value:
    starts, ends = ctx.need_attr("starts"), ctx.need_attr("ends")
    axes = axes_of(ctx.attr("axes", range(len(starts))), ctx.type(0).rank)
    return _sliced(ctx, axes, starts, ends, [1] * len(starts))


@importer("Slice", since=10)
def slice_operands(ctx: Context) -> Value:
    x, count = ctx.type(0), length(ctx.type(1), 1)
    given = range(count) if ctx.operand(3) is None else ctx.need_constant(3, "axes").tolist()
    axes = axes_of(given, x.rank)
    steps = ctx.operand(4) or ctx.const(np.ones(count), DType.i64)
    bounds = [constant_array(value) for value in (ctx[1], ctx[2], steps)]
    known = [bound.tolist() for bound in bounds if bound is not None]
    if len(known) < len(bounds) or not all(isinstance(x.shape[axis], int) for axis in axes):
        return ctx.build(DynamicSlice(axes), ctx[0], ctx[1], ctx[2], steps)
    return _sliced(ctx, axes, *known)


def _sliced(
    ctx: Context,
    axes: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    steps: Sequence[int],
) -> Value:
    value = ctx[0]
    require(0 not in steps, "a slice with step 0")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        first, size = clamped(start, end, step, value.tensor.dims[axis])
        value = part(ctx.build, value, axis, first, size, step)
    return value


@importer("Tile")
def tile(ctx: Context) -> Value:
    """Repeated axes are broadcast along a new axis, which is then joined with the old one."""
    repeats, x = ctx.constant(1), ctx.type(0)
    if repeats is None or not x.is_static:
        return ctx.build(DynamicTile(), ctx[0], ctx[1])
    require(repeats.shape == (x.rank,), f"{repeats.size} repeats for the axes of {x}", operand=1)
    split: list[int] = []
    spread: list[int] = []
    for times, size in zip(repeats.tolist(), x.dims, strict=True):
        split += [size] if times == 1 or size == 1 else [1, size]
        spread += [times * size] if times == 1 or size == 1 else [times, size]
    repeated = ctx.build(BroadcastTo(tuple(spread)), ctx.build(Reshape(tuple(split)), ctx[0]))
    whole = (times * size for times, size in zip(repeats.tolist(), x.dims, strict=True))
    return ctx.build(Reshape(tuple(whole)), repeated)
