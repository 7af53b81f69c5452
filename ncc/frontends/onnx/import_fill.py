"""Importers of ops that make tensors out of little: constants, ranges, masks, random numbers."""

from __future__ import annotations

import numpy as np

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting, part
from ncc.ir.literal import Literal
from ncc.ir.op import Op, require, unsupported
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Equal, GreaterEqual, Less, LessEqual
from ncc.ir.ops.dynamic_fill import DynamicFill, DynamicOneHot, DynamicRange, counted
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.random import Multinomial, RandomNormal, RandomUniform
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType, Shape, TensorType


@importer("ConstantOfShape")
def constant_of_shape(ctx: Context) -> Value:
    value = np.asarray(ctx.attr("value", np.zeros(1, np.float32)))
    require(value.size == 1, f"a fill with {value.size} values, not one")
    sizes = ctx.integers(0)
    if sizes is None:
        return ctx.build(DynamicFill(Literal.of(value)), ctx[0])
    shape = tuple(sizes)
    require(min(shape, default=0) >= 0, f"a tensor of sizes {list(shape)}", operand=0)
    return ctx.build(BroadcastTo(shape), ctx.const(value.reshape(())))


@importer("Range")
def range_of(ctx: Context) -> Value:
    """start + i * delta, computed in f32 for narrow floats."""
    start, limit, delta = (ctx.constant(index) for index in range(3))
    if start is None or limit is None or delta is None:
        return ctx.build(DynamicRange(), ctx[0], ctx[1], ctx[2])
    dtype = ctx.type(0).dtype
    inner = dtype.compute
    steps = ctx.build(Iota(len(counted(start, limit, delta)), inner))
    scaled = ctx.build(Mul(), steps, ctx.const(delta.reshape(()), inner))
    moved = ctx.build(Add(), scaled, ctx.const(start.reshape(()), inner))
    return moved if inner is dtype else ctx.build(Cast(dtype), moved)


@importer("EyeLike")
def eye_like(ctx: Context) -> Value:
    shape, dtype = ctx.type(0).shape, ctx.attr_dtype("dtype", ctx.type(0).dtype)
    require(len(shape) == 2, f"EyeLike of {ctx.type(0)}, which has not two axes", operand=0)
    diagonal = ctx.const(ctx.attr("k", 0), DType.i64)
    return ctx.build(Cast(dtype), _on_diagonal(ctx, shape, Equal(), diagonal))


@importer("Trilu")
def triangle(ctx: Context) -> Value:
    """0 below (`upper`) or above the diagonal `k`."""
    x = ctx.type(0)
    require(x.rank >= 2, f"Trilu of {x}, which has less than two axes", operand=0)
    diagonal = ctx.operand(1) or ctx.const(0, DType.i64)
    keep: Op = GreaterEqual() if ctx.attr("upper", 1) else LessEqual()
    kept = _on_diagonal(ctx, x.shape[-2:], keep, ctx.build(Reshape(()), diagonal))
    return ctx.build(Where(), kept, ctx[0], ctx.const(0, x.dtype))


def _on_diagonal(ctx: Context, shape: Shape, compare: Op, diagonal: Value) -> Value:
    """Whether (column `compare` row + diagonal) holds: bool[rows, columns]."""
    rows, columns = shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise unsupported(f"{ctx.node.op_type} of {ctx.type(0)}, whose sizes the data decides")
    row = counting(ctx.build, 2, 0, rows, DType.i64)
    column = counting(ctx.build, 2, 1, columns, DType.i64)
    return ctx.build(compare, column, ctx.build(Add(), row, diagonal))


@importer("OneHot")
def one_hot(ctx: Context) -> Value:
    """values[1] where an index is the position along the new axis, else values[0]."""
    rank, depth = ctx.type(0).rank, ctx.number(1)
    axis = axis_of(ctx.attr("axis", -1), rank + 1)
    indices = ctx.build(Cast(DType.i64), ctx[0])
    if depth is None or not ctx.type(0).is_static:
        return ctx.build(DynamicOneHot(axis), indices, ctx[1], ctx[2])
    size = int(depth)
    wrapped = ctx.build(Add(), indices, ctx.const(size, DType.i64))
    negative = ctx.build(Less(), indices, ctx.const(0, DType.i64))
    places = ctx.build(Where(), negative, wrapped, indices)
    shape = list(ctx.type(0).dims)
    shape.insert(axis, 1)
    places = ctx.build(Reshape(tuple(shape)), places)
    hot = ctx.build(Equal(), places, counting(ctx.build, rank + 1, axis, size, DType.i64))
    off, on = (part(ctx.build, ctx[2], 0, index, 1) for index in range(2))
    return ctx.build(Where(), hot, ctx.build(Reshape(()), on), ctx.build(Reshape(()), off))


@importer("RandomUniform", "RandomUniformLike")
def random_uniform(ctx: Context) -> Value:
    low, high = ctx.attr("low", 0.0), ctx.attr("high", 1.0)
    return ctx.build(RandomUniform(_random_type(ctx), low, high, ctx.attr("seed")))


@importer("RandomNormal", "RandomNormalLike")
def random_normal(ctx: Context) -> Value:
    mean, scale = ctx.attr("mean", 0.0), ctx.attr("scale", 1.0)
    return ctx.build(RandomNormal(_random_type(ctx), mean, scale, ctx.attr("seed")))


def _random_type(ctx: Context) -> TensorType:
    """The type that the attributes give, or operand 0 where they do not."""
    if not ctx.operands:
        return TensorType(ctx.attr_dtype("dtype", DType.f32), tuple(ctx.need_attr("shape")))
    like = ctx.type(0)
    if not like.is_static:
        raise unsupported(f"{ctx.node.op_type} of {like}, whose size the data decides")
    return like.with_dtype(ctx.attr_dtype("dtype", like.dtype))


@importer("Multinomial")
def multinomial(ctx: Context) -> Value:
    dtype = ctx.attr_dtype("dtype", DType.i32)
    return ctx.build(Multinomial(ctx.attr("sample_size", 1), dtype, ctx.attr("seed")), ctx[0])
