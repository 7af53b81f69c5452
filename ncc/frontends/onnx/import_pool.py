"""Importers of pooling: the largest, the mean or a norm of the elements under a window."""

from __future__ import annotations

import dataclasses
import math

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.powers import magnitude_power, root
from ncc.frontends.onnx.registry import importer
from ncc.frontends.onnx.window import overhang, window_of
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.max_pool_indices import MaxPoolIndices
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import ReduceMax, ReduceMean, ReduceSum
from ncc.ir.types import DType
from ncc.ir.window import Sizes, Window


@importer("MaxPool")
def max_pool(ctx: Context) -> Value | tuple[Value, ...]:
    window = _ceiled(ctx)
    if not ctx.wants(1):
        return ctx.build(MaxPool(*_fields(window)), ctx[0])
    found = ctx.build.node(MaxPoolIndices(*_fields(window)), ctx[0]).results
    return (found[0], _column_major(ctx, found[1])) if ctx.attr("storage_order", 0) else found


@importer("AveragePool")
def average_pool(ctx: Context) -> Value:
    """With `count_include_pad` padding counts, what `ceil_mode` adds does not."""
    window = window_of(ctx, ctx.need_attr("kernel_shape"))
    extra = overhang(ctx, window)
    if not ctx.attr("count_include_pad", 0):
        high = tuple(map(int.__add__, window.high, extra))
        return ctx.build(AveragePool(*_fields(dataclasses.replace(window, high=high))), ctx[0])
    if not any(extra):
        return ctx.build(AveragePool(*_fields(window), count_include_pad=True), ctx[0])
    none = (0,) * len(extra)
    padded = ctx.build(Pad((0, 0, *window.low), (0, 0, *window.high)), ctx[0])
    bare = dataclasses.replace(window, low=none, high=extra)
    return ctx.build(AveragePool(*_fields(bare)), padded)


@importer("LpPool")
def lp_pool(ctx: Context) -> Value:
    """The p-norm: (sum of |x|**p) ** (1/p)."""
    window = _ceiled(ctx)
    p = ctx.attr("p", 2)
    mean = ctx.build(
        AveragePool(*_fields(window), count_include_pad=True), magnitude_power(ctx, ctx[0], p)
    )
    count = ctx.const(math.prod(window.kernel), mean.tensor.dtype)
    return root(ctx, ctx.build(Mul(), mean, count), p)


@importer("GlobalAveragePool")
def global_average_pool(ctx: Context) -> Value:
    return ctx.build(ReduceMean(_spatial_axes(ctx)), ctx[0])


@importer("GlobalMaxPool")
def global_max_pool(ctx: Context) -> Value:
    return ctx.build(ReduceMax(_spatial_axes(ctx)), ctx[0])


@importer("GlobalLpPool")
def global_lp_pool(ctx: Context) -> Value:
    p = ctx.attr("p", 2)
    return root(ctx, ctx.build(ReduceSum(_spatial_axes(ctx)), magnitude_power(ctx, ctx[0], p)), p)


def _spatial_axes(ctx: Context) -> Sizes:
    return tuple(range(2, ctx.type(0).rank))


def _ceiled(ctx: Context) -> Window:
    """The window of a pooling node, `ceil_mode` resolved into its padding."""
    window = window_of(ctx, ctx.need_attr("kernel_shape"))
    high = tuple(map(int.__add__, window.high, overhang(ctx, window)))
    return dataclasses.replace(window, high=high)


def _fields(window: Window) -> tuple[Sizes, Sizes, Sizes, Sizes, Sizes]:
    return window.kernel, window.strides, window.low, window.high, window.dilations


def _column_major(ctx: Context, indices: Value) -> Value:
    """Row-major indices of [N, C, H, W], with the last two axes counted the other way."""
    height, width = ctx.type(0).dims[2:]

    def number(value: int) -> Value:
        return ctx.const(value, DType.i64)

    plane = ctx.build(
        Mul(), ctx.build(Div(), indices, number(height * width)), number(height * width)
    )
    inside = ctx.build(Sub(), indices, plane)
    row = ctx.build(Div(), inside, number(width))
    column = ctx.build(Sub(), inside, ctx.build(Mul(), row, number(width)))
    moved = ctx.build(Add(), ctx.build(Mul(), column, number(height)), row)
    return ctx.build(Add(), plane, moved)
