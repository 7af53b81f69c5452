"""Importers of ai.onnx.ml that look numbers up: labels, and places of categories."""

from __future__ import annotations

import functools
import math

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Array, Context
from ncc.frontends.onnx.import_ml import ML
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import unsupported
from ncc.ir.ops.arithmetic import Sub
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import And, Not
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

_LISTS = {"int64s": np.int64, "floats": np.float32}
"""Kinds of lists of numbers, and their type."""


@importer("OneHotEncoder", domain=ML)
def one_hot_encoder(ctx: Context) -> Value:
    """For each number, along a new last axis, 1 at its category; without one, as of NaN, zeros."""
    if not ctx.has_attr("cats_int64s"):
        raise unsupported("OneHotEncoder of strings")
    if not ctx.attr("zeros", 1):
        raise unsupported("OneHotEncoder that refuses numbers without a category")
    given = ctx.build(Reshape((*ctx.type(0).dims, 1)), ctx[0])
    same = ctx.build(Equal(), ctx.cast(given, DType.i64), ctx.const(ctx.attr("cats_int64s")))
    if given.tensor.dtype.is_float:
        same = ctx.build(And(), same, ctx.build(Not(), ctx.build(Isnan(), given)))
    return ctx.cast(same, DType.f32)


@importer("LabelEncoder", domain=ML)
def label_encoder(ctx: Context) -> Value:
    """The number that a number stands for."""
    keys, values = _table(ctx, "keys"), _table(ctx, "values")
    if len(keys) != len(values):
        raise NccError("invalid-model", f"{len(keys)} keys for {len(values)} values")
    default = ctx.const(_default(ctx, values.dtype.type))
    return (_by_place if _dense(keys) else _one_by_one)(ctx, keys, values, default)


def _table(ctx: Context, name: str) -> Array:
    """The keys or values of the node."""
    if ctx.has_attr(f"{name}_tensor"):
        return ctx.attr_array(f"{name}_tensor").ravel()
    for kind, dtype in _LISTS.items():
        if ctx.has_attr(f"{name}_{kind}"):
            return np.array(ctx.attr(f"{name}_{kind}"), dtype)
    raise unsupported("LabelEncoder of strings")


def _default(ctx: Context, dtype: type[np.generic]) -> Array:
    """What numbers stand for that are no keys."""
    if ctx.has_attr("default_tensor"):
        return np.asarray(ctx.attr("default_tensor"), dtype).reshape(())
    kind = "float" if np.issubdtype(dtype, np.floating) else "int64"
    return np.array(ctx.attr(f"default_{kind}", -0.0 if kind == "float" else -1), dtype)


def _dense(keys: Array) -> bool:
    """Whether keys are integers that fill at least a quarter of what they span."""
    if keys.dtype.kind != "i" or not len(keys):
        return False
    return int(keys.max()) - int(keys.min()) < 4 * len(keys)


def _by_place(ctx: Context, keys: Array, values: Array, default: Value) -> Value:
    """Values looked up at the distance from the smallest key."""
    low, high = int(keys.min()), int(keys.max())
    known = np.zeros(high - low + 1, bool)
    table = np.zeros(high - low + 1, values.dtype)
    known[keys[::-1] - low], table[keys[::-1] - low] = True, values[::-1]
    dtype = ctx.type(0).dtype
    least, most = (ctx.const(bound, dtype) for bound in (low, high))
    inside = ctx.build(Min(), ctx.build(Max(), ctx[0], least), most)
    place = ctx.build(Sub(), inside, least)
    found = ctx.build(Gather(0), ctx.const(table), place)
    has = ctx.build(Gather(0), ctx.const(known), place)
    same = ctx.build(Equal(), inside, ctx[0])
    return ctx.build(Where(), same, ctx.build(Where(), has, found, default), default)


def _one_by_one(ctx: Context, keys: Array, values: Array, default: Value) -> Value:
    """Values chosen by comparing with one key after the other; NaN is a key since version 4."""

    def choose(rest: Value, row: tuple[float, np.generic]) -> Value:
        key, value = row
        is_nan = ctx.opset >= 4 and isinstance(key, float) and math.isnan(key)
        same = (
            ctx.build(Isnan(), ctx[0])
            if is_nan
            else ctx.build(Equal(), ctx[0], ctx.const(key, ctx.type(0).dtype))
        )
        return ctx.build(Where(), same, ctx.const(value), rest)

    rows = list(zip(keys.tolist(), values, strict=True))
    return functools.reduce(choose, reversed(rows), default)
