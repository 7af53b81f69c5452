"""Importers of ai.onnx.ml: scaling, linear models and what surrounds them.

https://onnx.ai/onnx/operators/index.html#l-onnx-op-list-ai-onnx-ml
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_index import counted_from_0
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.argmax import Argmax
from ncc.ir.ops.arithmetic import Abs, Add, Div, Mul, Sub
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import ReduceMax, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.sigmoid import Sigmoid
from ncc.ir.ops.softmax import Softmax
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

ML = "ai.onnx.ml"


@importer("Scaler", domain=ML)
def scaler(ctx: Context) -> Value:
    """(x - offset) * scale"""
    x = real(ctx)
    for op, name in ((Sub(), "offset"), (Mul(), "scale")):
        if ctx.has_attr(name):
            x = ctx.build(op, x, ctx.const(ctx.attr(name), DType.f32))
    return x


@importer("Normalizer", domain=ML)
def normalizer(ctx: Context) -> Value:
    """Rows divided by a norm; rows of zeros stay."""
    x, kind = real(ctx), ctx.attr("norm", "MAX")
    axes = (x.tensor.rank - 1,)
    if kind == "MAX":
        norm = ctx.build(ReduceMax(axes), x)
    elif kind == "L1":
        norm = ctx.build(ReduceSum(axes), ctx.build(Abs(), x))
    else:
        norm = ctx.build(Sqrt(), ctx.build(ReduceSum(axes), ctx.build(Mul(), x, x)))
    is_zero = ctx.build(Equal(), norm, ctx.const(0, DType.f32))
    return ctx.build(Div(), x, ctx.build(Where(), is_zero, ctx.const(1, DType.f32), norm))


@importer("Imputer", domain=ML)
def imputer(ctx: Context) -> Value:
    """The value that stands for nothing replaced by one for all, or one per feature."""
    if not ctx.has_attr("imputed_value_floats"):
        raise unsupported("Imputer of integers")
    missing = ctx.attr("replaced_value_float", 0.0)
    is_missing = (
        ctx.build(Isnan(), ctx[0])
        if math.isnan(missing)
        else ctx.build(Equal(), ctx[0], ctx.const(missing, ctx.type(0).dtype))
    )
    value = ctx.const(ctx.attr("imputed_value_floats"), ctx.type(0).dtype)
    return ctx.build(Where(), is_missing, value, ctx[0])


@importer("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(ctx: Context) -> Value:
    """Elements of the last axis; of a tensor of one axis, as a row."""
    axis, count = ctx.type(0).rank - 1, ctx.type(1).size
    indices = ctx.build(Reshape((count,)), counted_from_0(ctx, ctx[1], axis))
    made = ctx.build(Gather(axis), ctx[0], indices)
    return made if axis else ctx.build(Reshape((1, count)), made)


@importer("LabelEncoder", domain=ML)
def label_encoder(ctx: Context) -> Value:
    """The number that a number stands for."""
    pairs = [("int64s", DType.i64), ("floats", DType.f32)]
    keys = next(((n, t) for n, t in pairs if ctx.has_attr(f"keys_{n}")), None)
    values = next(((n, t) for n, t in pairs if ctx.has_attr(f"values_{n}")), None)
    if keys is None or values is None:
        raise unsupported("LabelEncoder of strings or of tensors")
    (key, key_type), (value, value_type) = keys, values
    default = ctx.attr(f"default_{value[:-1]}", -1 if value == "int64s" else -0.0)
    table = zip(ctx.attr(f"keys_{key}"), ctx.attr(f"values_{value}"), strict=True)

    def choose(rest: Value, row: tuple[float, float]) -> Value:
        same = ctx.build(Equal(), ctx[0], ctx.const(row[0], key_type))
        return ctx.build(Where(), same, ctx.const(row[1], value_type), rest)

    return functools.reduce(choose, reversed(list(table)), ctx.const(default, value_type))


@importer("LinearRegressor", domain=ML)
def linear_regressor(ctx: Context) -> Value:
    return transformed(ctx, _affine(ctx, ctx.attr("targets", 1)))


@importer("LinearClassifier", domain=ML)
def linear_classifier(ctx: Context) -> tuple[Value, ...]:
    """The label of the best score of each row, and the scores."""
    labels = class_labels(ctx)
    scores = _affine(ctx, len(labels))
    return best_label(ctx, scores), transformed(ctx, scores)


def _affine(ctx: Context, rows: int) -> Value:
    """x times the coefficients [rows, features], plus the intercepts."""
    coefficients = np.array(ctx.need_attr("coefficients"), np.float32)
    require(coefficients.size % rows == 0, f"{coefficients.size} coefficients for {rows} rows")
    w = ctx.const(coefficients.reshape(rows, -1).T)
    made = ctx.build(MatMul(), real(ctx), w)
    intercepts = ctx.attr("intercepts")
    return ctx.build(Add(), made, ctx.const(intercepts, DType.f32)) if intercepts else made


def real(ctx: Context) -> Value:
    """Operand 0 as rows of f32."""
    x = ctx.cast(ctx[0], DType.f32)
    return x if x.tensor.rank > 1 else ctx.build(Reshape((1, *x.tensor.shape)), x)


def class_labels(ctx: Context) -> list[int]:
    """The labels of classes, which must be numbers."""
    found = ctx.attr("classlabels_int64s") or ctx.attr("classlabels_ints")
    if not found:
        raise unsupported(
            f"{ctx.node.op_type} with labels that are strings",
            hint="train it on numbers, and give them names after the model",
        )
    return list(found)


def best_label(ctx: Context, scores: Value) -> Value:
    """The label of the largest score of each row."""
    best = ctx.build(Argmax(1, False), scores)
    return ctx.build(Gather(0), ctx.const(class_labels(ctx), DType.i64), best)


def transformed(ctx: Context, scores: Value) -> Value:
    """The scores as `post_transform` makes probabilities of them."""
    name = ctx.attr("post_transform", "NONE")
    known: dict[str, Callable[[], Value]] = {
        "NONE": lambda: scores,
        "LOGISTIC": lambda: ctx.build(Sigmoid(), scores),
        "SOFTMAX": lambda: ctx.build(Softmax(1), scores),
    }
    if name not in known:
        raise unsupported(f"{ctx.node.op_type} with post_transform {name}")
    return known[name]()
