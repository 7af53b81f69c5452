"""Importers of conversions between element types, quantization among them."""

from __future__ import annotations

import numpy as np

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.bitcast import Bitcast
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.quantize import Dequantize, Quantize
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.scalar import limits
from ncc.ir.types import DType

FLOAT8 = {DType.f8e4m3, DType.f8e5m2}


@importer("Cast")
def cast(ctx: Context) -> Value:
    return convert(ctx, ctx[0], ctx.attr_dtype("to", DType.f32))


@importer("CastLike")
def cast_like(ctx: Context) -> Value:
    return convert(ctx, ctx[0], ctx.type(1).dtype)


def convert(ctx: Context, value: Value, dtype: DType) -> Value:
    """`value` as `dtype`.

    8-bit floats saturate unless the node says otherwise; of 4-bit integers the high bits go.
    """
    source = value.tensor.dtype
    if source is dtype:
        return value
    if DType.string in {source, dtype}:
        raise unsupported(
            f"a cast from {source.value} to {dtype.value}",
            hint="convert strings before the model or after it",
        )
    if dtype in FLOAT8 and ctx.attr("saturate", 1):
        wide = value if source.is_float else ctx.cast(value, DType.f32)
        value = ctx.build(Clip(*limits(dtype)), wide)
    if dtype in {DType.i4, DType.u4}:
        value = ctx.cast(value, DType.i8)
    return ctx.build(Cast(dtype), value)


@importer("BitCast")
def bit_cast(ctx: Context) -> Value:
    return ctx.build(Bitcast(ctx.attr_dtype("to", DType.f32)), ctx[0])


@importer("QuantizeLinear")
def quantize_linear(ctx: Context) -> Value:
    """The type comes from the zero point, else from `output_dtype`, else it is u8."""
    x, scale, zero = ctx[0], ctx[1], ctx.operand(2)
    to = zero.tensor.dtype if zero else ctx.attr_dtype("output_dtype", DType.u8)
    if not x.tensor.dtype.is_float or x.tensor.dtype is not scale.tensor.dtype:
        x, scale = ctx.cast(x, DType.f32), ctx.cast(scale, DType.f32)
    if zero is None:
        zero = ctx.const(np.zeros(()), to)
    return ctx.build(Quantize(to), x, _spread(ctx, scale), _spread(ctx, zero))


@importer("DequantizeLinear")
def dequantize_linear(ctx: Context) -> Value:
    x, scale, zero = ctx[0], ctx[1], ctx.operand(2)
    if zero is None:
        zero = ctx.const(np.zeros(()), x.tensor.dtype)
    to = ctx.attr_dtype("output_dtype", scale.tensor.dtype)
    scale = ctx.cast(scale, to)
    if _has_whole_blocks(ctx, scale):
        return _by_block(ctx, scale, zero)
    return ctx.build(Dequantize(), x, _spread(ctx, scale), _spread(ctx, zero))


def _has_whole_blocks(ctx: Context, scale: Value) -> bool:
    """Whether there is a scale for every `block_size` elements of `axis` of operand 0."""
    x, size = ctx.type(0), ctx.attr("block_size", 0)
    if not size or not x.is_static or scale.tensor.rank != x.rank:
        return False
    axis = axis_of(ctx.attr("axis", 1), x.rank)
    return scale.tensor.dims == (*x.dims[:axis], x.dims[axis] // size, *x.dims[axis + 1 :]) and (
        x.dims[axis] % size == 0
    )


def _by_block(ctx: Context, scale: Value, zero: Value) -> Value:
    """Operand 0 dequantized with an axis of its own for the elements of a block."""
    dims, axis = ctx.type(0).dims, axis_of(ctx.attr("axis", 1), ctx.type(0).rank)
    before, after = scale.tensor.dims[: axis + 1], scale.tensor.dims[axis + 1 :]
    apart = ctx.build(Reshape((*before, ctx.attr("block_size"), *after)), ctx[0])
    units = [
        value if value.tensor.rank == 0 else ctx.build(Reshape((*before, 1, *after)), value)
        for value in (scale, zero)
    ]
    return ctx.build(Reshape(dims), ctx.build(Dequantize(), apart, *units))


def _spread(ctx: Context, value: Value) -> Value:
    """A scale or zero point so that it broadcasts against operand 0.

    It is one number, one per index of `axis`, or one per block of `block_size` along `axis`.
    """
    x = ctx.type(0)
    if value.tensor.rank == 0 or value.tensor.shape == (1,):
        return ctx.build(Reshape(()), value)
    axis = axis_of(ctx.attr("axis", 1), x.rank)
    if value.tensor.rank == 1:
        shape = [1] * x.rank
        shape[axis] = value.tensor.dims[0]
        return ctx.build(Reshape(tuple(shape)), value)
    return _blocks(ctx, value, axis)


def _blocks(ctx: Context, value: Value, axis: int) -> Value:
    """Every index of `axis` repeated `block_size` times, the last block cut short."""
    sizes, block = ctx.type(0).dims, ctx.attr("block_size", 0)
    dims = value.tensor.dims
    require(
        len(dims) == len(sizes) and block > 0 and dims[axis] == -(-sizes[axis] // block),
        f"{value.type} is not one number per block of {block} along axis {axis}",
    )
    before, after = dims[: axis + 1], dims[axis + 1 :]
    column = ctx.build(Reshape((*before, 1, *after)), value)
    repeated = ctx.build(BroadcastTo((*before, block, *after)), column)
    whole = (*dims[:axis], dims[axis] * block, *after)
    flat = ctx.build(Reshape(whole), repeated)
    kept = (*dims[:axis], sizes[axis], *after)
    return ctx.build(Slice((0,) * len(dims), kept, (1,) * len(dims)), flat)
