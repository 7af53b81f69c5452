"""Importers of ops of com.microsoft that ONNX Runtime's optimiser fuses others into.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_conv import conv
from ncc.frontends.onnx.import_matmul import gemm, matmul_of_any_rank
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.normalize import build_inverse_deviation
from ncc.ir.op import Elementwise, unsupported
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.gelu import Approximation, Gelu
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.layer_norm import LayerNorm, RMSNorm
from ncc.ir.ops.reduce import ReduceMean
from ncc.ir.ops.relu import LeakyRelu, Relu
from ncc.ir.ops.sigmoid import HardSigmoid, HardSwish, Sigmoid
from ncc.ir.ops.transpose import Transpose

MICROSOFT = "com.microsoft"

_ACTIVATIONS: dict[str, type[Elementwise]] = {
    "Clip": Clip,
    "HardSigmoid": HardSigmoid,
    "HardSwish": HardSwish,
    "LeakyRelu": LeakyRelu,
    "Relu": Relu,
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
}


@importer("FusedConv", domain=MICROSOFT)
def fused_conv(ctx: Context) -> Value:
    """A convolution, then operand 3 is added, then the activation."""
    made, more = conv(ctx), ctx.operand(3)
    total = made if more is None else ctx.build(Add(), made, more)
    return _activated(ctx, total, ctx.attr("activation_params", ()))


@importer("FusedGemm", domain=MICROSOFT)
def fused_gemm(ctx: Context) -> Value:
    keys = ("activation_alpha", "activation_beta", "activation_gamma")
    return _activated(ctx, gemm(ctx), [ctx.attr(key) for key in keys if ctx.has_attr(key)])


def _activated(ctx: Context, x: Value, parameters: list[float] | tuple[float, ...]) -> Value:
    """The activation that the node names, with its numbers in the order of its op's fields."""
    name = ctx.attr("activation", "")
    if not name:
        return x
    if name not in _ACTIVATIONS:
        raise unsupported(f"{ctx.node.op_type} with activation {name}")
    return ctx.build(_ACTIVATIONS[name](*parameters), x)


@importer("FusedMatMul", domain=MICROSOFT)
def fused_matmul(ctx: Context) -> Value:
    """alpha * a @ b, each with its axes moved on demand."""
    a, b = (_exchanged(ctx, ctx[index], "AB"[index]) for index in range(2))
    made, alpha = matmul_of_any_rank(ctx, a, b), ctx.attr("alpha", 1.0)
    return made if alpha == 1 else ctx.build(Mul(), made, ctx.const(alpha, made.tensor.dtype))


def _exchanged(ctx: Context, x: Value, name: str) -> Value:
    """An operand whose rows stand before the batch, or whose last two axes are exchanged."""
    perm = list(range(x.tensor.rank))
    if ctx.attr(f"transBatch{name}", 0) and len(perm) > 2:
        perm = [*perm[1:-1], perm[0], perm[-1]]
    if ctx.attr(f"trans{name}", 0) and len(perm) > 1:
        perm[-2:] = reversed(perm[-2:])
    return ctx.build(Transpose(tuple(perm)), x)


@importer("Gelu", "BiasGelu", domain=MICROSOFT)
def gelu(ctx: Context) -> Value:
    return ctx.build(Gelu(), _sum(ctx, 0, 1))


@importer("FastGelu", domain=MICROSOFT)
def fast_gelu(ctx: Context) -> Value:
    return ctx.build(Gelu(Approximation.tanh), _sum(ctx, 0, 1))


@importer("QuickGelu", domain=MICROSOFT)
def quick_gelu(ctx: Context) -> Value:
    """x * sigmoid(alpha * x)"""
    alpha = ctx.const(ctx.attr("alpha", 1.702), ctx.type(0).dtype)
    return ctx.build(Mul(), ctx[0], ctx.build(Sigmoid(), ctx.build(Mul(), ctx[0], alpha)))


@importer("SimplifiedLayerNormalization")
@importer("SimplifiedLayerNormalization", domain=MICROSOFT)
def simplified_layer_normalization(ctx: Context) -> Value:
    axis = axis_of(ctx.attr("axis", -1), ctx.type(0).rank)
    return ctx.build(RMSNorm(axis, ctx.attr("epsilon", 1e-5)), ctx[0], ctx[1])


@importer("SkipLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(ctx: Context) -> tuple[Value | None, ...]:
    """Operands x, what is added to it, scale, bias, and a bias of the sum."""
    total, axis = _sum(ctx, 0, 1, 4), ctx.type(0).rank - 1
    epsilon = ctx.attr("epsilon", 1e-5)
    parameters = [value for value in ctx.operands[2:4] if value is not None]
    made = ctx.build(LayerNorm(axis, epsilon), total, *parameters)
    if not ctx.wants(1) and not ctx.wants(2):
        return made, None, None, total
    wide = ctx.cast(total, total.tensor.dtype.compute)
    mean = ctx.build(ReduceMean((axis,)), wide)
    return made, mean, build_inverse_deviation(ctx.build, wide, mean, (axis,), epsilon), total


@importer("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_simplified_layer_normalization(ctx: Context) -> tuple[Value | None, ...]:
    """Operands x, what is added to it, scale, and a bias of the sum."""
    total, axis = _sum(ctx, 0, 1, 3), ctx.type(0).rank - 1
    made = ctx.build(RMSNorm(axis, ctx.attr("epsilon", 1e-5)), total, ctx[2])
    return made, None, None, total


def _sum(ctx: Context, *indices: int) -> Value:
    """The sum of those operands that are there."""
    first, *others = (value for index in indices if (value := ctx.operand(index)) is not None)
    for value in others:
        first = ctx.build(Add(), first, value)
    return first
