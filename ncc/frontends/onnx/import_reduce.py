"""Importers of reductions, arg-extrema and cumulative ops."""

from __future__ import annotations

from ncc.frontends.onnx.axes import axes_of, axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import Op
from ncc.ir.ops.argmax import Argmax, Argmin
from ncc.ir.ops.arithmetic import Abs, Add, Mul, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.cumulative import Cumprod, Cumsum
from ncc.ir.ops.exponential import Exp, Log
from ncc.ir.ops.isnan import Isinf
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import Reduce, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

PLAIN: dict[str, type[Reduce]] = {
    "ReduceSum": ReduceSum,
    "ReduceMean": ReduceMean,
    "ReduceProd": ReduceProd,
    "ReduceMax": ReduceMax,
    "ReduceMin": ReduceMin,
}


@importer(*PLAIN)
def reduce(ctx: Context) -> Value:
    axes = _axes(ctx)
    return ctx[0] if axes is None else _reduce(ctx, PLAIN[ctx.node.op_type], ctx[0], axes)


TERMS: dict[str, Op | None] = {
    "ReduceL1": None,
    "ReduceSumSquare": None,
    "ReduceL2": Sqrt(),
    "ReduceLogSum": Log(),
}
"""Sums of |x|, of x * x, of x * x and of x; what is done to the sum."""


@importer(*TERMS)
def reduce_of_terms(ctx: Context) -> Value:
    axes, name, dtype = _axes(ctx), ctx.node.op_type, ctx.type(0).dtype
    after = TERMS[name]
    x = _converted(ctx, ctx[0], dtype if dtype.is_int and after is None else _wide(dtype))
    if name == "ReduceL1":
        x = ctx.build(Abs(), x)
    elif name != "ReduceLogSum":
        x = ctx.build(Mul(), x, x)
    total = x if axes is None else _reduce(ctx, ReduceSum, x, axes)
    return _converted(ctx, ctx.build(after, total) if after else total, dtype)


@importer("ReduceLogSumExp")
def reduce_log_sum_exp(ctx: Context) -> Value:
    """max + log(sum(exp(x - max))), where an infinite max is not subtracted."""
    axes, dtype = _axes(ctx), ctx.type(0).dtype
    if axes is None:
        return ctx[0]
    x = _converted(ctx, ctx[0], _wide(dtype))
    top = ctx.build(ReduceMax(axes), x)
    zero = ctx.const(0, x.tensor.dtype)
    top = ctx.build(Where(), ctx.build(Isinf(), top), zero, top)
    total = ctx.build(ReduceSum(axes), ctx.build(Exp(), ctx.build(Sub(), x, top)))
    result = ctx.build(Add(), ctx.build(Log(), total), top)
    if not ctx.attr("keepdims", 1):
        kept = [dim for axis, dim in enumerate(result.tensor.shape) if axis not in axes]
        result = ctx.build(Reshape(tuple(kept)), result)
    return _converted(ctx, result, dtype)


def _wide(dtype: DType) -> DType:
    """Where sums of powers do not overflow: f64 for integers, f32 for narrow floats."""
    return dtype.compute if dtype.is_float else DType.f64


def _converted(ctx: Context, x: Value, dtype: DType) -> Value:
    return x if x.tensor.dtype is dtype else ctx.build(Cast(dtype), x)


def _axes(ctx: Context) -> tuple[int, ...] | None:
    """The axes to reduce, in order: an attribute, later an operand; all of them when left out.

    None when the node leaves its operand as it is (`noop_with_empty_axes`).
    """
    rank = ctx.type(0).rank
    given = ctx.attr("axes")
    if given is None and ctx.operand(1) is not None:
        given = ctx.need_constant(1, "axes").tolist()
    if not given:
        return None if ctx.attr("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(axes_of(given, rank)))


def _reduce(ctx: Context, kind: type[Reduce], x: Value, axes: tuple[int, ...]) -> Value:
    """The reduction, of bool by way of u8."""
    made = kind(axes, bool(ctx.attr("keepdims", 1)))
    if x.tensor.dtype is not DType.bool:
        return ctx.build(made, x)
    return ctx.build(Cast(DType.bool), ctx.build(made, ctx.build(Cast(DType.u8), x)))


@importer("ArgMax", "ArgMin")
def arg_extremum(ctx: Context) -> Value:
    kind = Argmax if ctx.node.op_type == "ArgMax" else Argmin
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    keepdims, last = ctx.attr("keepdims", 1), ctx.attr("select_last_index", 0)
    return ctx.build(kind(axis, bool(keepdims), bool(last)), ctx[0])


@importer("CumSum", "CumProd")
def cumulative(ctx: Context) -> Value:
    kind = Cumsum if ctx.node.op_type == "CumSum" else Cumprod
    axis = axis_of(int(ctx.need_constant(1, "axis").item()), ctx.type(0).rank)
    exclusive, backward = ctx.attr("exclusive", 0), ctx.attr("reverse", 0)
    return ctx.build(kind(axis, bool(exclusive), bool(backward)), ctx[0])
