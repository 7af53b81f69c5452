"""Importers of elementwise ops whose attributes or operand types are not ours."""

from __future__ import annotations

import functools
import math

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.fold import number
from ncc.ir.graph import Value
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add, Div, Mul
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.logic import Shl, Shr
from ncc.ir.ops.power import Pow
from ncc.ir.ops.remainder import Fmod, Mod
from ncc.ir.types import DType


@importer("Pow")
def power(ctx: Context) -> Value:
    """The result has the type of the base. Squares and cubes of integers are exact."""
    base, exponent = ctx[0], ctx[1]
    dtype = ctx.type(0).dtype
    if dtype.is_float:
        return ctx.build(Pow(), base, ctx.cast(exponent, dtype))
    if ctx.type(1).shape == () and number(exponent) in {2, 3}:
        square = ctx.build(Mul(), base, base)
        return square if number(exponent) == 2 else ctx.build(Mul(), square, base)
    wide = ctx.build(Pow(), ctx.cast(base, DType.f64), ctx.cast(exponent, DType.f64))
    return ctx.cast(wide, dtype)


@importer("Mod")
def modulo(ctx: Context) -> Value:
    return ctx.build(Fmod() if ctx.attr("fmod", 0) else Mod(), ctx[0], ctx[1])


@importer("BitShift")
def bit_shift(ctx: Context) -> Value:
    """Signed integers shifted right by their width or more leave only the sign."""
    dtype = ctx.type(0).dtype
    if ctx.need_attr("direction") == "LEFT":
        return ctx.build(Shl(), ctx[0], ctx[1])
    if not dtype.is_signed_int:
        return ctx.build(Shr(), ctx[0], ctx[1])
    most = ctx.const(8 * dtype.itemsize - 1, dtype)
    return ctx.build(Shr(), ctx[0], ctx.build(Min(), ctx[1], most))


@importer("Max", "Min", "Sum")
def fold_operands(ctx: Context) -> Value:
    """Any number of operands, combined from left to right."""
    join: Op = {"Max": Max(), "Min": Min(), "Sum": Add()}[ctx.node.op_type]
    return functools.reduce(lambda a, b: ctx.build(join, a, b), _all(ctx))


@importer("Mean")
def mean(ctx: Context) -> Value:
    values = _all(ctx)
    total = functools.reduce(lambda a, b: ctx.build(Add(), a, b), values)
    return ctx.build(Div(), total, ctx.const(len(values), total.tensor.dtype))


def _all(ctx: Context) -> list[Value]:
    return [ctx[index] for index in range(len(ctx.operands))]


@importer("Clip")
def clip_attributes(ctx: Context) -> Value:
    return ctx.build(Clip(ctx.attr("min", -math.inf), ctx.attr("max", math.inf)), ctx[0])


@importer("Clip", since=11)
def clip(ctx: Context) -> Value:
    """Bounds are operands: attributes of ours when they are constant floats."""
    low, high = ctx.number(1), ctx.number(2)
    known = all(
        ctx.operand(index) is None or bound is not None for index, bound in ((1, low), (2, high))
    )
    if known and ctx.type(0).dtype.is_float:
        return ctx.build(Clip(_bound(low, -math.inf), _bound(high, math.inf)), ctx[0])
    value = ctx[0]
    for join, index in ((Max(), 1), (Min(), 2)):
        bound = ctx.operand(index)
        value = value if bound is None else ctx.build(join, value, bound)
    return value


def _bound(number: float | None, default: float) -> float:
    return default if number is None else float(number)
