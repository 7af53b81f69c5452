"""Importers of ops that cut tensors up, join them and repeat them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ncc.frontends.onnx.axes import axes_of, axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.cumulative import Cumsum
from ncc.ir.ops.dynamic_reshape import DynamicTile, length
from ncc.ir.ops.dynamic_slice import DynamicSlice, clamped
from ncc.ir.ops.extremum import Min
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.shape import ShapeOf
from ncc.ir.types import DType


@importer("Concat")
def concat(ctx: Context) -> Value:
    axis = axis_of(ctx.need_attr("axis"), ctx.type(0).rank)
    return ctx.build(Concat(axis), *(ctx[index] for index in range(len(ctx.operands))))


@importer("Split")
def split(ctx: Context) -> tuple[Value, ...]:
    """Sizes as given (an attribute before opset 13), else equal ones, the last may be smaller."""
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    whole, given, sizes = ctx.type(0).shape[axis], ctx.operand(1), ctx.integers(1)
    if given is None and ctx.has_attr("split"):
        sizes = list(ctx.attr("split"))
        given = ctx.const(sizes, DType.i64)
    if given is not None and (sizes is None or not isinstance(whole, int)):
        ends = ctx.build(Cumsum(0), given)
        return _cut(ctx, axis, ctx.build(Sub(), ends, given), ends)
    if not isinstance(whole, int):
        return _equal_parts(ctx, axis)
    if sizes is None:
        require(ctx.attr("num_outputs", 1) > 0, "a split into no outputs")
        each = -(-whole // ctx.attr("num_outputs", ctx.outputs))
        sizes = [max(min(each, whole - index * each), 0) for index in range(ctx.outputs)]
    require(
        sum(sizes) == whole and min(sizes, default=0) >= 0 and len(sizes) == ctx.outputs,
        f"{ctx.type(0)} split along axis {axis} into {ctx.outputs} parts of {list(sizes)}",
        operand=0,
        label=f"has {whole} along axis {axis}",
    )
    pairs = zip(itertools.accumulate(sizes, initial=0), sizes, strict=False)
    return tuple(part(ctx.build, ctx[0], axis, start, size) for start, size in pairs)


def _equal_parts(ctx: Context, axis: int) -> tuple[Value, ...]:
    """Split where the data decides how long the axis is."""
    count = ctx.outputs
    whole = part(ctx.build, ctx.build(ShapeOf(), ctx[0]), 0, axis, 1)
    rounded_up = ctx.build(Add(), whole, ctx.const(count - 1, DType.i64))
    each = ctx.build(Div(), rounded_up, ctx.const(count, DType.i64))
    starts, ends = (
        ctx.build(Min(), ctx.build(Mul(), ctx.const(places, DType.i64), each), whole)
        for places in (np.arange(count), np.arange(1, count + 1))
    )
    return _cut(ctx, axis, starts, ends)


def _cut(ctx: Context, axis: int, starts: Value, ends: Value) -> tuple[Value, ...]:
    """The parts of operand 0 that two lists name by their bounds."""
    one, cut = ctx.const([1], DType.i64), DynamicSlice((axis,))
    return tuple(
        ctx.build(cut, ctx[0], *(part(ctx.build, x, 0, index, 1) for x in (starts, ends)), one)
        for index in range(ctx.outputs)
    )


@importer("Slice")
def slice_attributes(ctx: Context) -> Value:
    starts, ends = ctx.need_attr("starts"), ctx.need_attr("ends")
    axes = axes_of(ctx.attr("axes", range(len(starts))), ctx.type(0).rank)
    return _sliced(ctx, axes, (starts, ends, [1] * len(starts)))


@importer("Slice", since=10)
def slice_operands(ctx: Context) -> Value:
    x, count = ctx.type(0), length(ctx.type(1), 1)
    steps = ctx.operand(4) or ctx.const(np.ones(count), DType.i64)
    given = list(range(count)) if ctx.operand(3) is None else ctx.integers(3)
    if given is None:
        return ctx.build(DynamicSlice(), ctx[0], ctx[1], ctx[2], steps, ctx[3])
    axes = axes_of(given, x.rank)
    strides = [1] * count if ctx.operand(4) is None else ctx.integers(4)
    bounds = [ctx.integers(1), ctx.integers(2), strides]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return ctx.build(DynamicSlice(axes), ctx[0], ctx[1], ctx[2], steps)
    return _sliced(ctx, axes, known)


def _sliced(ctx: Context, axes: Sequence[int], bounds: Sequence[Sequence[int]]) -> Value:
    """Operand 0 cut along each of `axes` by the starts, ends and steps in `bounds`."""
    value = ctx[0]
    sizes = [value.tensor.shape[axis] for axis in axes]
    if not all(isinstance(size, int) for size in sizes):
        lists = (ctx.const(numbers, DType.i64) for numbers in bounds)
        return ctx.build(DynamicSlice(tuple(axes)), value, *lists)
    require(
        {len(axes)} == {len(numbers) for numbers in bounds},
        f"a slice along {len(axes)} axes needs as many starts, ends and steps",
    )
    require(0 not in bounds[2], "a slice with step 0")
    for axis, size, start, end, step in zip(axes, sizes, *bounds, strict=True):
        assert isinstance(size, int)
        first, count = clamped(start, end, step, size)
        value = part(ctx.build, value, axis, first, count, step)
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
