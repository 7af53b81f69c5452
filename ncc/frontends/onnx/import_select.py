"""Importers of ops of which the data decides what they keep."""

from __future__ import annotations

import math

import numpy as np

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.non_max_suppression import NonMaxSuppression
from ncc.ir.ops.nonzero import Compress, Nonzero, Unique
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.topk import DynamicTopK, TopK
from ncc.ir.types import DType


@importer("TopK")
def topk(ctx: Context) -> tuple[Value, ...]:
    """k is an attribute before opset 10, an operand since."""
    axis = axis_of(ctx.attr("axis", -1), ctx.type(0).rank)
    largest = bool(ctx.attr("largest", 1))
    if ctx.operand(1) is None:
        return ctx.build.node(TopK(axis, ctx.need_attr("k"), largest), ctx[0]).results
    k = ctx.number(1)
    if k is None:
        return ctx.build.node(DynamicTopK(axis, largest), ctx[0], ctx[1]).results
    return ctx.build.node(TopK(axis, int(k), largest), ctx[0]).results


@importer("NonZero")
def nonzero(ctx: Context) -> Value:
    known = ctx.constant(0)
    return ctx.build(Nonzero(), ctx[0]) if known is None else ctx.const(Nonzero().eval(known))


@importer("Compress")
def compress(ctx: Context) -> Value:
    """With a constant condition it is a gather."""
    given, condition = ctx.attr("axis"), ctx.constant(1)
    axis = None if given is None else axis_of(given, ctx.type(0).rank)
    if condition is None or not ctx.type(0).is_static:
        return ctx.build(Compress(axis), ctx[0], ctx[1])
    x = ctx.build(Reshape((ctx.type(0).size,)), ctx[0]) if axis is None else ctx[0]
    size = x.tensor.dims[axis or 0]
    return ctx.build(Gather(axis or 0), x, ctx.const(np.flatnonzero(condition[:size]), DType.i32))


@importer("Unique")
def unique(ctx: Context) -> tuple[Value, ...]:
    given = ctx.attr("axis")
    axis = None if given is None else axis_of(given, ctx.type(0).rank)
    return ctx.build.node(Unique(axis, bool(ctx.attr("sorted", 1))), ctx[0]).results


@importer("NonMaxSuppression")
def non_max_suppression(ctx: Context) -> Value:
    """No boxes, any overlap and any score when the limits are left out."""
    most = ctx.operand(2) or ctx.const(0, DType.i64)
    overlap = ctx.operand(3) or ctx.const(0.0, DType.f32)
    score = ctx.operand(4) or ctx.const(-math.inf, DType.f32)
    op = NonMaxSuppression(bool(ctx.attr("center_point_box", 0)))
    return ctx.build(op, ctx[0], ctx[1], most, overlap, score)
