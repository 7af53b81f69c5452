"""Importers of ops that pick and place elements by index."""

from __future__ import annotations

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.bounded import part_of
from ncc.frontends.onnx.context import Array, Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.fold import constant_array
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Less
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.gather_elements import GatherElements
from ncc.ir.ops.gather_nd import GatherND
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.scatter import Reduction, ScatterElements, ScatterND
from ncc.ir.ops.shape import ShapeOf
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.where import Where


@importer("Gather")
def gather(ctx: Context) -> Value:
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    part = part_of(ctx[1])
    if part is None:
        return ctx.build(Gather(axis), ctx[0], counted_from_0(ctx, ctx[1], axis))
    found = ctx.build(Gather(axis), ctx[0], counted_from_0(ctx, part.whole, axis))
    return part.of(ctx.build, found, axis + part.axis)


@importer("GatherElements")
def gather_elements(ctx: Context) -> Value:
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    return ctx.build(GatherElements(axis), ctx[0], counted_from_0(ctx, ctx[1], axis))


@importer("GatherND")
def gather_nd(ctx: Context) -> Value:
    batch = ctx.attr("batch_dims", 0)
    return ctx.build(GatherND(batch), ctx[0], _tuples_from_0(ctx, ctx[1], batch))


@importer("Scatter", "ScatterElements")
def scatter_elements(ctx: Context) -> Value:
    axis = axis_of(ctx.attr("axis", 0), ctx.type(0).rank)
    op = ScatterElements(axis, ctx.attr_choice("reduction", Reduction.none))
    return ctx.build(op, ctx[0], counted_from_0(ctx, ctx[1], axis), ctx[2])


@importer("ScatterND")
def scatter_nd(ctx: Context) -> Value:
    op = ScatterND(ctx.attr_choice("reduction", Reduction.none))
    return ctx.build(op, ctx[0], _tuples_from_0(ctx, ctx[1], 0), ctx[2])


def counted_from_0(ctx: Context, indices: Value, axis: int) -> Value:
    """`indices` into an axis of operand 0, the negative ones counted from its start."""
    size = ctx.type(0).shape[axis]
    known = constant_array(indices)
    if not isinstance(size, int):
        return _shifted(ctx, indices, ctx.build(Reshape(()), _sizes(ctx, indices, axis, 1)))
    if known is not None:
        return _constants_from_0(ctx, indices, known, np.array(size))
    return _shifted(ctx, indices, ctx.const(size, indices.tensor.dtype))


def _tuples_from_0(ctx: Context, indices: Value, first: int) -> Value:
    """`indices` into the axes of operand 0 from `first` on, one per element of the last axis."""
    depth = indices.tensor.shape[-1] if indices.tensor.rank else None
    require(isinstance(depth, int), f"indices {indices.type} of unknown depth", operand=1)
    assert isinstance(depth, int)
    sizes = ctx.type(0).shape[first : first + depth]
    known = constant_array(indices)
    numbers = [size for size in sizes if isinstance(size, int)]
    if len(numbers) < depth:
        return _shifted(ctx, indices, _sizes(ctx, indices, first, depth))
    if known is not None:
        return _constants_from_0(ctx, indices, known, np.array(numbers))
    return _shifted(ctx, indices, ctx.const(numbers, indices.tensor.dtype))


def _constants_from_0(ctx: Context, indices: Value, known: Array, sizes: Array) -> Value:
    positive = np.where(known < 0, known + sizes, known)
    outside = known[(positive < 0) | (positive >= sizes)]
    if outside.size:
        message = f"index {outside[0]} of {ctx.node.op_type} is outside of {ctx.type(0)}"
        raise NccError("index", message, operand=1)
    return indices if np.array_equal(positive, known) else ctx.const(positive, indices.tensor.dtype)


def _sizes(ctx: Context, indices: Value, first: int, count: int) -> Value:
    """The sizes of `count` axes of operand 0, in the type of the indices."""
    taken = ctx.build(Slice((first,), (count,), (1,)), ctx.build(ShapeOf(), ctx[0]))
    return ctx.build(Cast(indices.tensor.dtype), taken)


def _shifted(ctx: Context, indices: Value, sizes: Value) -> Value:
    zero = ctx.const(0, indices.tensor.dtype)
    moved = ctx.build(Add(), indices, sizes)
    return ctx.build(Where(), ctx.build(Less(), indices, zero), moved, indices)
