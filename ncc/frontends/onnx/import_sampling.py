"""Importers of ops that read a picture at places which the data gives."""

from __future__ import annotations

import math

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.frontends.onnx.sampling import Outside, Sampler
from ncc.frontends.onnx.window import explicit_pads, spatial
from ncc.ir.graph import Value
from ncc.ir.indexing import counting, part
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.max_roi_pool import MaxRoiPool
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.roi_align import Pooling, RoiAlign
from ncc.ir.ops.transpose import Transpose
from ncc.ir.sampling import Interpolation
from ncc.ir.types import DType

_MODES = {
    "nearest": Interpolation.NEAREST,
    "linear": Interpolation.LINEAR,
    "bilinear": Interpolation.LINEAR,
    "cubic": Interpolation.CUBIC,
    "bicubic": Interpolation.CUBIC,
}


@importer("GridSample")
def grid_sample(ctx: Context) -> Value:
    """The grid holds a coordinate from -1 to 1 per axis, that of the last axis first."""
    sizes, grid = ctx.type(0).dims[2:], ctx.type(1).dims
    require(
        len(grid) == len(sizes) + 2 > 2
        and (grid[0], grid[-1]) == (ctx.type(0).dims[0], len(sizes)),
        f"{ctx.type(1)} does not hold {len(sizes)} coordinates for each sample of {ctx.type(0)}",
    )
    name, aligned = ctx.attr("mode", "linear"), bool(ctx.attr("align_corners", 0))
    if name not in _MODES:
        raise NccError("invalid-model", f"'{name}' is not a mode of GridSample")
    outside = ctx.attr_choice("padding_mode", Outside.ZEROS)
    sampler = Sampler(ctx, _MODES[name], outside, 0.0 if aligned else 0.5)
    places = [_place(ctx, axis, size, aligned) for axis, size in enumerate(sizes)]
    found = sampler.sample(ctx[0], places)
    rank = found.tensor.rank
    return ctx.build(Transpose((0, rank - 1, *range(1, rank - 1))), found)


def _place(ctx: Context, axis: int, size: int, aligned: bool) -> Value:
    """The coordinates of one axis in elements: -1 and 1 are the outer elements, or their edges."""
    grid = ctx[1]
    last, count = grid.tensor.rank - 1, grid.tensor.dims[-1]
    column = part(ctx.build, grid, last, count - 1 - axis, 1)
    unit = ctx.cast(ctx.build(Reshape(grid.tensor.dims[:-1]), column), DType.f32)
    half = (size - 1) / 2 if aligned else size / 2
    scaled = ctx.build(Mul(), unit, ctx.const(half, DType.f32))
    return ctx.build(Add(), scaled, ctx.const((size - 1) / 2, DType.f32))


@importer("RoiAlign")
def roi_align(ctx: Context) -> Value:
    """Coordinates start at the middle of an element from opset 16 on."""
    default = "output_half_pixel" if ctx.opset < 16 else "half_pixel"
    op = RoiAlign(
        (ctx.attr("output_height", 1), ctx.attr("output_width", 1)),
        ctx.attr("sampling_ratio", 0),
        ctx.attr("spatial_scale", 1.0),
        ctx.attr("coordinate_transformation_mode", default) == "half_pixel",
        ctx.attr_choice("mode", Pooling.AVERAGE),
    )
    return ctx.build(op, ctx[0], ctx[1], ctx[2])


@importer("MaxRoiPool")
def max_roi_pool(ctx: Context) -> Value:
    size = ctx.need_attr("pooled_shape")
    require(len(size) == 2, f"pooled_shape {list(size)} is not a height and a width")
    return ctx.build(MaxRoiPool(size, ctx.attr("spatial_scale", 1.0)), ctx[0], ctx[1])


@importer("DeformConv")
def deform_conv(ctx: Context) -> Value:
    """A convolution whose taps the data moves: samples, then one product per group."""
    require(
        ctx.type(0).rank == ctx.type(1).rank == ctx.type(2).rank >= 3,
        f"filters {ctx.type(1)} do not slide over {ctx.type(0)} with offsets {ctx.type(2)}",
    )
    filters, channels, *kernel = ctx.type(1).dims
    n, c = ctx.type(0).dims[:2]
    groups, parts = ctx.attr("group", 1), ctx.attr("offset_group", 1)
    require(min(groups, parts) > 0 and c == channels * groups, f"{groups} groups of {ctx.type(1)}")
    require(c % parts == 0 and filters % groups == 0, f"{parts} groups of offsets of {ctx.type(0)}")
    out, taps = ctx.type(2).dims[2:], math.prod(kernel)
    pieces = [_seen(ctx, index, c // parts, tuple(kernel), out) for index in range(parts)]
    seen = ctx.build(Reshape((n, groups, channels * taps, math.prod(out))), _joined(ctx, pieces))
    weights = ctx.build(Reshape((groups, filters // groups, channels * taps)), ctx[1])
    sums = ctx.build(Reshape((n, filters, *out)), ctx.build(MatMul(), weights, seen))
    bias = ctx.operand(3)
    if bias is None:
        return sums
    return ctx.build(Add(), sums, ctx.build(Reshape((filters, *(1,) * len(out))), bias))


def _joined(ctx: Context, pieces: list[Value]) -> Value:
    return pieces[0] if len(pieces) == 1 else ctx.build(Concat(1), *pieces)


def _seen(
    ctx: Context, index: int, count: int, kernel: tuple[int, ...], out: tuple[int, ...]
) -> Value:
    """What the taps of one offset group see of its `count` channels: [N, count, taps, *out]."""
    n, taps, rank = ctx.type(0).dims[0], math.prod(kernel), len(kernel)
    size = taps * rank
    offsets = part(ctx.build, ctx[2], 1, index * size, size)
    moved = ctx.cast(ctx.build(Reshape((n, taps, rank, *out)), offsets), DType.f32)
    places = []
    for axis in range(rank):
        column = part(ctx.build, moved, 2, axis, 1)
        own = ctx.build(Reshape((n, taps, *out)), column)
        places.append(ctx.build(Add(), own, _unmoved(ctx, axis, kernel, out)))
    sampler = Sampler(ctx, Interpolation.LINEAR, Outside.ZEROS)
    found = sampler.sample(part(ctx.build, ctx[0], 1, index * count, count), places)
    mask = ctx.operand(4)
    if mask is not None:
        own = part(ctx.build, mask, 1, index * taps, taps)
        found = ctx.build(Mul(), found, ctx.build(Reshape((n, taps, *out, 1)), own))
    last = found.tensor.rank - 1
    return ctx.build(Transpose((0, last, *range(1, last))), found)


def _unmoved(ctx: Context, axis: int, kernel: tuple[int, ...], out: tuple[int, ...]) -> Value:
    """Where the taps stand along an axis without offsets: [taps, 1, .., out of the axis, .., 1]."""
    rank = len(kernel)
    stride, step = spatial(ctx, "strides", rank)[axis], spatial(ctx, "dilations", rank)[axis]
    low = explicit_pads(ctx, rank)[0][axis]
    taps = np.indices(kernel)[axis].reshape(-1, *(1,) * rank) * step - low
    steps = counting(ctx.build, 1 + rank, 1 + axis, out[axis], DType.f32)
    scaled = ctx.build(Mul(), steps, ctx.const(stride, DType.f32))
    return ctx.build(Add(), scaled, ctx.const(taps, DType.f32))
