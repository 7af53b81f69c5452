"""The two ends of a p-norm: |x| ** p, and the p-th root."""

from ncc.frontends.onnx.context import Context
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Abs, Mul
from ncc.ir.ops.power import Pow, Sqrt


def magnitude_power(ctx: Context, x: Value, p: float) -> Value:
    """|x| ** p, for a p of at least 1."""
    require(p >= 1, f"a norm of order {p}: p is at least 1")
    if p == 2:
        return ctx.build(Mul(), x, x)
    magnitude = ctx.build(Abs(), x)
    return magnitude if p == 1 else ctx.build(Pow(), magnitude, ctx.const(p, x.tensor.dtype))


def root(ctx: Context, x: Value, p: float) -> Value:
    """x ** (1 / p) of an x that is not negative."""
    if p == 1:
        return x
    return ctx.build(Sqrt(), x) if p == 2 else ctx.build(Pow(), x, ctx.const(1 / p, x.tensor.dtype))
