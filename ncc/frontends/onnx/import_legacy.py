"""Importers of experimental ops that ONNX dropped in 1.5 and that models still have.

https://github.com/onnx/onnx/blob/v1.4.1/docs/Operators.md#experimental
"""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.exponential_units import Softplus
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.slice import Slice


@importer("Affine")
def affine(ctx: Context) -> Value:
    """alpha * x + beta."""
    scaled = _times(ctx, ctx[0], ctx.attr("alpha", 1.0))
    return ctx.build(Add(), scaled, ctx.const(ctx.attr("beta", 0.0), scaled.tensor.dtype))


@importer("Scale")
def scale(ctx: Context) -> Value:
    return _times(ctx, ctx[0], ctx.attr("scale", 1.0))


@importer("ImageScaler")
def image_scaler(ctx: Context) -> Value:
    """scale * x + a bias for each channel of x [N, C, H, W]."""
    bias = ctx.attr("bias", ())
    require((len(bias),) == ctx.type(0).shape[1:2], f"{len(bias)} biases for {ctx.type(0)}")
    column = [[[value]] for value in bias]
    scaled = _times(ctx, ctx[0], ctx.attr("scale", 1.0))
    return ctx.build(Add(), scaled, ctx.const(column, scaled.tensor.dtype))


@importer("Crop")
def crop(ctx: Context) -> Value:
    """x [N, C, H, W] without a border of (left, top, right, bottom) pixels.

    With `scale`, height and width are those two numbers instead.
    """
    border = ctx.need_attr("border")
    require(len(border) == 4 == ctx.type(0).rank, f"a border {list(border)} of {ctx.type(0)}")
    left, top, right, bottom = border
    n, c, height, width = ctx.type(0).dims
    kept = ctx.attr("scale", (height - top - bottom, width - left - right))
    require(len(kept) == 2, f"scale {list(kept)} is not a height and a width")
    return ctx.build(Slice((0, 0, top, left), (n, c, *kept), (1, 1, 1, 1)), ctx[0])


@importer("ParametricSoftplus")
def parametric_softplus(ctx: Context) -> Value:
    """alpha * log(1 + exp(beta * x))."""
    inner = ctx.build(Softplus(), _times(ctx, ctx[0], ctx.attr("beta", 1.0)))
    return _times(ctx, inner, ctx.attr("alpha", 1.0))


@importer("ScaledTanh")
def scaled_tanh(ctx: Context) -> Value:
    """alpha * tanh(beta * x)."""
    inner = ctx.build(Tanh(), _times(ctx, ctx[0], ctx.attr("beta", 1.0)))
    return _times(ctx, inner, ctx.attr("alpha", 1.0))


def _times(ctx: Context, x: Value, factor: float) -> Value:
    return ctx.build(Mul(), x, ctx.const(factor, x.tensor.dtype))
