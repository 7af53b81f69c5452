"""Importers of softmax and of normalisations."""

from __future__ import annotations

import math

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.powers import magnitude_power, root
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting
from ncc.ir.normalize import build_inverse_deviation
from ncc.ir.op import require, unsupported
from ncc.ir.ops.argmax import Argmax
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.group_norm import GroupNorm
from ncc.ir.ops.layer_norm import LayerNorm, RMSNorm
from ncc.ir.ops.lrn import LRN
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import ReduceMean, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.softmax import LogSoftmax, Softmax
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@importer("Softmax")
def softmax_of_rest(ctx: Context) -> Value:
    return _over_rest(ctx, Softmax)


@importer("LogSoftmax")
def log_softmax_of_rest(ctx: Context) -> Value:
    return _over_rest(ctx, LogSoftmax)


@importer("Softmax", since=13)
def softmax(ctx: Context) -> Value:
    return ctx.build(Softmax(_axis(ctx, -1)), ctx[0])


@importer("LogSoftmax", since=13)
def log_softmax(ctx: Context) -> Value:
    return ctx.build(LogSoftmax(_axis(ctx, -1)), ctx[0])


def _over_rest(ctx: Context, op: type[Softmax] | type[LogSoftmax]) -> Value:
    """Before opset 13: along all axes from `axis` on, taken as one."""
    axis, shape = _axis(ctx, 1), ctx.type(0).shape
    if all(dim == 1 for dim in shape[axis + 1 :]):
        return ctx.build(op(axis), ctx[0])
    rest = ctx.type(0).dims[axis:]
    flat = ctx.build(Reshape((*shape[:axis], math.prod(rest))), ctx[0])
    return ctx.build(Reshape(shape), ctx.build(op(axis), flat))


@importer("Hardmax")
def hardmax_of_rest(ctx: Context) -> Value:
    axis, shape = _axis(ctx, 1), ctx.type(0).shape
    flat = ctx.build(Reshape((*shape[:axis], math.prod(ctx.type(0).dims[axis:]))), ctx[0])
    return ctx.build(Reshape(shape), _hardmax(ctx, flat, axis))


@importer("Hardmax", since=13)
def hardmax(ctx: Context) -> Value:
    return _hardmax(ctx, ctx[0], _axis(ctx, -1))


def _hardmax(ctx: Context, x: Value, axis: int) -> Value:
    """1 where the first largest element along `axis` is, else 0."""
    place = ctx.build(Argmax(axis, True), x)
    places = counting(ctx.build, x.tensor.rank, axis, x.tensor.dims[axis], DType.i64)
    return ctx.cast(ctx.build(Equal(), places, place), x.tensor.dtype)


@importer("BatchNormalization")
def batch_normalization(ctx: Context) -> Value:
    """x * s + b, with s and b made of the statistics of training."""
    if ctx.attr("training_mode", 0) or any(ctx.wants(index) for index in range(1, 5)):
        raise unsupported("BatchNormalization in training mode", hint="export for inference")
    if not ctx.attr("spatial", 1):
        raise unsupported("BatchNormalization with statistics per element (spatial = 0)")
    x, scale, bias, mean, variance = (ctx[index] for index in range(5))
    inner = x.tensor.dtype.compute
    scale, bias, mean, variance = (
        ctx.cast(value, inner) for value in (scale, bias, mean, variance)
    )
    shifted = ctx.build(Add(), variance, ctx.const(ctx.attr("epsilon", 1e-5), inner))
    factor = ctx.build(Div(), scale, ctx.build(Sqrt(), shifted))
    offset = ctx.build(Sub(), bias, ctx.build(Mul(), mean, factor))
    column = Reshape((*scale.tensor.shape, *(1,) * (x.tensor.rank - 2)))
    factor, offset = ctx.build(column, factor), ctx.build(column, offset)
    product = ctx.build(Mul(), ctx.cast(x, inner), factor)
    return ctx.cast(ctx.build(Add(), product, offset), x.tensor.dtype)


@importer("InstanceNormalization")
def instance_normalization(ctx: Context) -> Value:
    return ctx.build(GroupNorm(_channels(ctx), ctx.attr("epsilon", 1e-5)), ctx[0], ctx[1], ctx[2])


@importer("GroupNormalization")
def group_normalization(ctx: Context) -> Value:
    """Scale and bias are one number per group, from opset 21 on one per channel."""
    groups, scale, bias = ctx.need_attr("num_groups"), ctx[1], ctx[2]
    if ctx.opset < 21:
        scale, bias = (_repeated(ctx, value, _channels(ctx)) for value in (scale, bias))
    return ctx.build(GroupNorm(groups, ctx.attr("epsilon", 1e-5)), ctx[0], scale, bias)


def _channels(ctx: Context) -> int:
    """How many channels operand 0 [N, C, ...] has."""
    require(ctx.type(0).rank >= 2, f"{ctx.type(0)} has no axis of channels", operand=0)
    return ctx.type(0).dims[1]


def _repeated(ctx: Context, x: Value, size: int) -> Value:
    """Each element of x [n] repeated size / n times."""
    count = x.tensor.size
    require(x.tensor.rank == 1 and count and size % count == 0, f"{x.type} for {size} channels")
    wide = ctx.build(BroadcastTo((count, size // count)), ctx.build(Reshape((count, 1)), x))
    return ctx.build(Reshape((size,)), wide)


@importer("LayerNormalization")
def layer_normalization(ctx: Context) -> Value | tuple[Value, ...]:
    axis, epsilon = _axis(ctx, -1), ctx.attr("epsilon", 1e-5)
    parameters = [value for value in ctx.operands[1:] if value is not None]
    made = ctx.build(LayerNorm(axis, epsilon), ctx[0], *parameters)
    if not ctx.wants(1) and not ctx.wants(2):
        return made
    wide = ctx.cast(ctx[0], ctx.type(0).dtype.compute)
    axes = tuple(range(axis, wide.tensor.rank))
    mean = ctx.build(ReduceMean(axes), wide)
    return made, mean, build_inverse_deviation(ctx.build, wide, mean, axes, epsilon)


@importer("RMSNormalization")
def rms_normalization(ctx: Context) -> Value:
    return ctx.build(RMSNorm(_axis(ctx, -1), ctx.attr("epsilon", 1e-5)), ctx[0], ctx[1])


@importer("LRN")
def lrn(ctx: Context) -> Value:
    op = LRN(
        ctx.need_attr("size"),
        ctx.attr("alpha", 1e-4),
        ctx.attr("beta", 0.75),
        ctx.attr("bias", 1.0),
    )
    return ctx.build(op, ctx[0])


@importer("LpNormalization")
def lp_normalization(ctx: Context) -> Value:
    """x / its p-norm along an axis; zeros stay zeros."""
    p, dtype = ctx.attr("p", 2), ctx.type(0).dtype
    total = ctx.build(ReduceSum((_axis(ctx, -1),)), magnitude_power(ctx, ctx[0], p))
    is_zero = ctx.build(Equal(), total, ctx.const(0, dtype))
    norm = ctx.build(Where(), is_zero, ctx.const(1, dtype), root(ctx, total, p))
    return ctx.build(Div(), ctx[0], norm)


def _axis(ctx: Context, default: int) -> int:
    """The attribute `axis`, counted from the first axis of operand 0."""
    return axis_of(ctx.attr("axis", default), ctx.type(0).rank)
