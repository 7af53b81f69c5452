"""Importers of products of quantized tensors: of exact integers, then scaled and rounded once.

An integer of 8 bits less a zero point has 8 bits and a sign, which bf16 holds. Such products are
summed in f32, which holds their sums up to 2**24; beyond, a sum keeps 24 bits.
"""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_conv import conv_op
from ncc.frontends.onnx.import_matmul import matmul_of_any_rank
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add, Div, Mul, Neg, Sub
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.quantize import Quantize
from ncc.ir.ops.reduce import ReduceMax, ReduceMin
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@importer("MatMulInteger")
def matmul_integer(ctx: Context) -> Value:
    """Integers minus their zero points: one for all, per row of a or per column of b."""
    rows, columns = max(ctx.type(0).rank - 2, 0), ctx.type(1).rank - 1
    a = centred(ctx, ctx[0], ctx.operand(2), rows)
    b = centred(ctx, ctx[1], ctx.operand(3), columns)
    return ctx.cast(matmul_of_any_rank(ctx, a, b, DType.f32), DType.i32)


@importer("ConvInteger")
def conv_integer(ctx: Context) -> Value:
    x = centred(ctx, ctx[0], ctx.operand(2), 0)
    w = centred(ctx, ctx[1], ctx.operand(3), 0)
    return ctx.cast(ctx.build(conv_op(ctx, w.tensor, DType.f32), x, w), DType.i32)


@importer("QLinearMatMul")
def q_linear_matmul(ctx: Context) -> Value:
    """Operands: a, its scale and zero point, b with its own, and those of the result."""
    rows, columns = max(ctx.type(0).rank - 2, 0), ctx.type(3).rank - 1
    a, b = centred(ctx, ctx[0], ctx[2], rows), centred(ctx, ctx[3], ctx[5], columns)
    sums = matmul_of_any_rank(ctx, a, b, DType.f32)
    by_row = along(ctx, ctx[1], sums.tensor.rank, sums.tensor.rank - 2)
    by_column = along(ctx, ctx[4], sums.tensor.rank, sums.tensor.rank - 1)
    return _requantized(ctx, sums, by_row, by_column)


@importer("QLinearConv")
def q_linear_conv(ctx: Context) -> Value:
    """Operands as for QLinearMatMul, then a bias in i32; the scale of w may be one per filter."""
    x, w = centred(ctx, ctx[0], ctx[2], 0), centred(ctx, ctx[3], ctx[5], 0)
    sums = ctx.build(conv_op(ctx, w.tensor, DType.f32), x, w)
    bias = ctx.operand(8)
    if bias is not None:
        whole = ctx.cast(sums, DType.i32)
        sums = ctx.build(Add(), whole, along(ctx, bias, sums.tensor.rank, 1))
    return _requantized(ctx, sums, ctx[1], along(ctx, ctx[4], sums.tensor.rank, 1))


@importer("DynamicQuantizeLinear")
def dynamic_quantize_linear(ctx: Context) -> tuple[Value, Value, Value]:
    return quantized_by_range(ctx, ctx[0])


def quantized_by_range(ctx: Context, x: Value) -> tuple[Value, Value, Value]:
    """Real numbers as u8, with the scale and the zero point that just hold them and 0."""
    axes, nothing = tuple(range(x.tensor.rank)), ctx.const(0, DType.f32)
    low = ctx.build(Min(), ctx.build(ReduceMin(axes, keepdims=False), x), nothing)
    high = ctx.build(Max(), ctx.build(ReduceMax(axes, keepdims=False), x), nothing)
    span = ctx.build(Sub(), high, low)
    step = ctx.build(Div(), span, ctx.const(255, DType.f32))
    is_flat = ctx.build(Equal(), span, nothing)
    scale = ctx.build(Where(), is_flat, ctx.const(1, DType.f32), step)
    quantize = Quantize(DType.u8)
    point = ctx.build(quantize, ctx.build(Neg(), low), scale, ctx.const(0, DType.u8))
    return ctx.build(quantize, x, scale, point), scale, point


def _requantized(ctx: Context, sums: Value, a_scale: Value, b_scale: Value) -> Value:
    """The sums in units of operands 6 and 7, the scale and the zero point of the result.

    All scales are one factor, so that halves round as in other runtimes.
    """
    a, b, y = (ctx.cast(scale, DType.f32) for scale in (a_scale, b_scale, ctx[6]))
    factor = ctx.build(Div(), ctx.build(Mul(), a, b), y)
    real = ctx.build(Mul(), ctx.cast(sums, DType.f32), factor)
    return ctx.build(Quantize(ctx.type(7).dtype), real, ctx.const(1, DType.f32), ctx[7])


def centred(ctx: Context, x: Value, zero: Value | None, axis: int) -> Value:
    """Quantized integers minus their zero point, one number or one per index of `axis`; bf16."""
    if zero is None:
        return ctx.cast(x, DType.bf16)
    points = ctx.cast(along(ctx, zero, x.tensor.rank, axis), DType.i32)
    return ctx.cast(ctx.build(Sub(), ctx.cast(x, DType.i32), points), DType.bf16)


def along(ctx: Context, x: Value, rank: int, axis: int) -> Value:
    """Numbers x [n] along one axis of a tensor of `rank` axes; a scalar as it is."""
    if x.tensor.rank != 1:
        return x
    return ctx.build(Reshape(tuple(x.tensor.shape[0] if i == axis else 1 for i in range(rank))), x)
