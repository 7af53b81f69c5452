"""Importers of reductions, arg-extrema and cumulative ops."""

from __future__ import annotations

from ncc.frontends.onnx.axes import axes_of, axis_of
from ncc.frontends.onnx.bounded import reduced_part
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import Op
from ncc.ir.ops.argmax import Argmax, Argmin
from ncc.ir.ops.arithmetic import Abs, Add, Mul, Sub
from ncc.ir.ops.cumulative import Cumprod, Cumsum, Cumulative
from ncc.ir.ops.dynamic_axes import (
    Combination,
    DynamicCumulative,
    DynamicReduce,
    DynamicSqueeze,
)
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


Axes = tuple[int, ...] | Value
"""Axes in order, or a list of them that the data decides."""


@importer(*PLAIN)
def reduce(ctx: Context) -> Value:
    axes = _axes(ctx)
    return ctx[0] if axes is None else _reduced(ctx, PLAIN[ctx.node.op_type], ctx[0], axes)


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
    x = ctx.cast(ctx[0], dtype if dtype.is_int and after is None else _wide(dtype))
    if name == "ReduceL1":
        x = ctx.build(Abs(), x)
    elif name != "ReduceLogSum":
        x = ctx.build(Mul(), x, x)
    total = x if axes is None else _reduced(ctx, ReduceSum, x, axes)
    return ctx.cast(ctx.build(after, total) if after else total, dtype)


@importer("ReduceLogSumExp")
def reduce_log_sum_exp(ctx: Context) -> Value:
    """max + log(sum(exp(x - max))), where an infinite max is not subtracted."""
    axes, dtype = _axes(ctx), ctx.type(0).dtype
    if axes is None:
        return ctx[0]
    x = ctx.cast(ctx[0], _wide(dtype))
    top = _finite(ctx, _reduced(ctx, ReduceMax, x, axes, keepdims=True))
    terms = ctx.build(Exp(), ctx.build(Sub(), x, top))
    total = ctx.build(Log(), _reduced(ctx, ReduceSum, terms, axes))
    return ctx.cast(ctx.build(Add(), total, _dropped(ctx, top, axes)), dtype)


def _wide(dtype: DType) -> DType:
    """Where sums of powers do not overflow: f64 for integers, f32 for narrow floats."""
    return dtype.compute if dtype.is_float else DType.f64


def _finite(ctx: Context, x: Value) -> Value:
    return ctx.build(Where(), ctx.build(Isinf(), x), ctx.const(0, x.tensor.dtype), x)


def _axes(ctx: Context) -> Axes | None:
    """What to reduce along: an attribute, later an operand; everything when left out or empty.

    None when the node leaves its operand as it is (`noop_with_empty_axes`).
    """
    rank, given = ctx.type(0).rank, ctx.attr("axes")
    if ctx.operand(1) is not None and ctx.type(1).shape != (0,):
        known = ctx.constant(1)
        if known is None:
            return ctx[1]
        given = known.ravel().tolist()
    if not given:
        return None if ctx.attr("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(axes_of(given, rank)))


def _reduced(
    ctx: Context, kind: type[Reduce], x: Value, axes: Axes, *, keepdims: bool | None = None
) -> Value:
    """The reduction, of bool by way of u8; `keepdims` is the node's when not given."""
    if x.tensor.dtype is DType.bool:
        return ctx.cast(_reduced(ctx, kind, ctx.cast(x, DType.u8), axes), DType.bool)
    keep = bool(ctx.attr("keepdims", 1)) if keepdims is None else keepdims
    if isinstance(axes, Value):
        combination = Combination(kind.name.removeprefix("reduce_"))
        return ctx.build(DynamicReduce(combination, keep), x, axes)
    return reduced_part(ctx, kind, x, axes, keep) or ctx.build(kind(axes, keep), x)


def _dropped(ctx: Context, x: Value, axes: Axes) -> Value:
    """`x`, of which `axes` have size 1, without them where the node does not keep them."""
    if ctx.attr("keepdims", 1):
        return x
    if isinstance(axes, Value):
        return ctx.build(DynamicSqueeze(), x, axes)
    kept = (dim for axis, dim in enumerate(x.tensor.shape) if axis not in axes)
    return ctx.build(Reshape(tuple(kept)), x)


@importer("ArgMax", "ArgMin")
def arg_extremum(ctx: Context) -> Value:
    kind = Argmax if ctx.node.op_type == "ArgMax" else Argmin
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    keepdims, last = ctx.attr("keepdims", 1), ctx.attr("select_last_index", 0)
    return ctx.build(kind(axis, bool(keepdims), bool(last)), ctx[0])


@importer("CumSum", "CumProd")
def cumulative(ctx: Context) -> Value:
    product = ctx.node.op_type == "CumProd"
    exclusive, backward = bool(ctx.attr("exclusive", 0)), bool(ctx.attr("reverse", 0))
    known = ctx.number(1)
    if known is None:
        return ctx.build(DynamicCumulative(product, exclusive, backward), ctx[0], ctx[1])
    axis = axis_of(int(known), ctx.type(0).rank)
    kind: type[Cumulative] = Cumprod if product else Cumsum
    return ctx.build(kind(axis, exclusive, backward), ctx[0])
