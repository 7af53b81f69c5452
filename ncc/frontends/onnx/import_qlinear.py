"""Importers of ops of com.microsoft on quantized tensors: done on real numbers, rounded once.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ncc.diagnostics import NccError
from ncc.frontends.onnx.attention import plus
from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_attention import attend_to_itself
from ncc.frontends.onnx.import_cast import dequantize_linear, quantize_linear
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.import_matmul import matmul_of_any_rank
from ncc.frontends.onnx.import_pool import average_pool
from ncc.frontends.onnx.import_quantized import along, centred, quantized_by_range
from ncc.frontends.onnx.import_recurrent import lstm
from ncc.frontends.onnx.registry import find_importer, importer
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.quantize import Dequantize, Quantize
from ncc.ir.ops.reduce import ReduceMean
from ncc.ir.ops.relu import LeakyRelu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.sigmoid import Sigmoid
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@importer("QuantizeLinear", domain=MICROSOFT)
def microsoft_quantize_linear(ctx: Context) -> Value:
    """As of ai.onnx, which came to take its types later."""
    return quantize_linear(ctx)


@importer("DequantizeLinear", domain=MICROSOFT)
def microsoft_dequantize_linear(ctx: Context) -> Value:
    """As of ai.onnx, which came to take its types later."""
    return dequantize_linear(ctx)


@importer("QLinearAdd", domain=MICROSOFT)
def q_linear_add(ctx: Context) -> Value:
    return _quantized(ctx, ctx.build(Add(), _real(ctx, 0), _real(ctx, 3)), 6)


@importer("QLinearMul", domain=MICROSOFT)
def q_linear_mul(ctx: Context) -> Value:
    return _quantized(ctx, ctx.build(Mul(), _real(ctx, 0), _real(ctx, 3)), 6)


@importer("QLinearSigmoid", domain=MICROSOFT)
def q_linear_sigmoid(ctx: Context) -> Value:
    return _quantized(ctx, ctx.build(Sigmoid(), _real(ctx, 0)), 3)


@importer("QLinearLeakyRelu", domain=MICROSOFT)
def q_linear_leaky_relu(ctx: Context) -> Value:
    return _quantized(ctx, ctx.build(LeakyRelu(ctx.attr("alpha", 0.01)), _real(ctx, 0)), 3)


@importer("QLinearSoftmax", domain=MICROSOFT)
def q_linear_softmax(ctx: Context) -> Value:
    """As Softmax of the opset that the node names."""
    version = ctx.need_attr("opset")
    softmax = find_importer("Softmax", version)
    if softmax is None:
        raise NccError("invalid-model", f"there is no Softmax of opset {version}")
    made = softmax(_on_reals(ctx))
    assert isinstance(made, Value)
    return _quantized(ctx, made, 3)


@importer("QLinearAveragePool", domain=MICROSOFT)
def q_linear_average_pool(ctx: Context) -> Value:
    return _quantized(ctx, _channels_first(ctx, average_pool), 3)


@importer("QLinearGlobalAveragePool", domain=MICROSOFT)
def q_linear_global_average_pool(ctx: Context) -> Value:
    return _quantized(ctx, _channels_first(ctx, _mean_of_space), 3)


def _mean_of_space(ctx: Context) -> Value:
    return ctx.build(ReduceMean(tuple(range(2, ctx.type(0).rank))), ctx[0])


@importer("QLinearConcat", domain=MICROSOFT)
def q_linear_concat(ctx: Context) -> Value:
    """Operands: scale and zero point of the result, then each tensor with its own."""
    parts = [_real(ctx, index) for index in range(2, len(ctx.operands), 3)]
    axis = axis_of(ctx.need_attr("axis"), parts[0].tensor.rank)
    return _quantized(ctx, ctx.build(Concat(axis), *parts), 0)


@importer("QLinearWhere", domain=MICROSOFT)
def q_linear_where(ctx: Context) -> Value:
    return _quantized(ctx, ctx.build(Where(), ctx[0], _real(ctx, 1), _real(ctx, 4)), 7)


@importer("QGemm", domain=MICROSOFT)
def q_gemm(ctx: Context) -> Value:
    """Operands a and b with scales and zero points, a bias in i32, then those of the result; with
    none of those the result is real.
    """
    swapped, swap = ctx.attr("transB", 0), Transpose((1, 0))
    a = centred(ctx, ctx[0], ctx[2], 0)
    b = centred(ctx, ctx[3], ctx[5], 0 if swapped else 1)
    a = ctx.build(swap, a) if ctx.attr("transA", 0) else a
    b = ctx.build(swap, b) if swapped else b
    sums = matmul_of_any_rank(ctx, a, b, DType.f32)
    if ctx.operand(6) is not None:
        sums = ctx.build(Add(), ctx.cast(sums, DType.i32), ctx[6])
    scale = ctx.build(Mul(), ctx[1], ctx[4])
    real = ctx.build(Mul(), ctx.cast(sums, DType.f32), scale)
    alpha = ctx.attr("alpha", 1.0)
    real = real if alpha == 1 else ctx.build(Mul(), real, ctx.const(alpha, DType.f32))
    return real if ctx.operand(7) is None else _quantized(ctx, real, 7)


@importer("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(ctx: Context) -> Value:
    """Operands a, b, their scales, their zero points, and a bias."""
    a = centred(ctx, ctx[0], ctx.operand(4), max(ctx.type(0).rank - 2, 0))
    b = centred(ctx, ctx[1], ctx.operand(5), ctx.type(1).rank - 1)
    return _real_product(ctx, a, b, (ctx[2], ctx[3]), ctx.operand(6))


@importer("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(ctx: Context) -> Value:
    """Operands a (real), b with its scale and zero point, and a bias."""
    whole, scale, zero = quantized_by_range(ctx, ctx[0])
    a = centred(ctx, whole, zero, 0)
    b = centred(ctx, ctx[1], ctx.operand(3), ctx.type(1).rank - 1)
    return _real_product(ctx, a, b, (scale, ctx[2]), ctx.operand(4))


@importer("QAttention", domain=MICROSOFT)
def q_attention(ctx: Context) -> tuple[Value | None, ...]:
    """Operands x, weights, their bias, both scales, mask, both zero points, past.

    Projections are of integers; the attention is one of real numbers.
    """
    x = centred(ctx, ctx[0], ctx.operand(6), 0)
    weights = centred(ctx, ctx[1], ctx.operand(7), 1)
    projected = _real_product(ctx, x, weights, (ctx[3], ctx[4]), ctx[2])
    return attend_to_itself(ctx, projected, ctx.operand(5), ctx.operand(8))


def _real_product(
    ctx: Context, a: Value, b: Value, units: tuple[Value, Value], bias: Value | None
) -> Value:
    """A product of integers in their `units`, and a bias of real numbers."""
    sums = matmul_of_any_rank(ctx, a, b, DType.f32)
    return plus(ctx, ctx.build(Mul(), sums, ctx.build(Mul(), *units)), bias)


@importer("DynamicQuantizeLSTM", domain=MICROSOFT)
def dynamic_quantize_lstm(ctx: Context) -> tuple[Value | None, ...]:
    """An LSTM whose weights [directions, n, gates] are quantized; nothing else is rounded."""
    swap = Transpose((0, 2, 1))
    w, r = (
        ctx.build(swap, _real_of(ctx, ctx[index], ctx[scale], ctx[scale + 1], 0))
        for index, scale in ((1, 8), (2, 10))
    )
    return lstm(dataclasses.replace(ctx, operands=(ctx[0], w, r, *ctx.operands[3:8])))


def _real(ctx: Context, index: int) -> Value:
    """The numbers that operand `index` stands for; its scale and zero point follow it."""
    return _real_of(ctx, ctx[index], ctx[index + 1], ctx.operand(index + 2), 0)


def _real_of(ctx: Context, x: Value, scale: Value, zero: Value | None, axis: int) -> Value:
    """The numbers that x stands for, with one scale or one per index of `axis`."""
    rank = x.tensor.rank
    point = ctx.const(0, x.tensor.dtype) if zero is None else along(ctx, zero, rank, axis)
    return ctx.build(Dequantize(), x, along(ctx, scale, rank, axis), point)


def _quantized(ctx: Context, x: Value, index: int) -> Value:
    """x in units of operand `index`, a scale that its zero point follows."""
    scale, zero = (_plain(ctx, ctx[index + offset]) for offset in range(2))
    return ctx.build(Quantize(zero.tensor.dtype), x, scale, zero)


def _plain(ctx: Context, number: Value) -> Value:
    """A number without axes."""
    return ctx.build(Reshape(()), number)


def _on_reals(ctx: Context) -> Context:
    """The node with the numbers that operand 0 stands for as its only operand."""
    return dataclasses.replace(ctx, operands=(_real(ctx, 0),))


def _channels_first(ctx: Context, pool: Callable[[Context], Value]) -> Value:
    """A pooling of the real numbers of operand 0, whose channels may come last."""
    inner = _on_reals(ctx)
    if not ctx.attr("channels_last", 0):
        return pool(inner)
    axes = range(ctx.type(0).rank)
    first = ctx.build(Transpose((0, axes[-1], *axes[1:-1])), inner[0])
    made = pool(dataclasses.replace(inner, operands=(first,)))
    return ctx.build(Transpose((0, *axes[2:], 1)), made)
