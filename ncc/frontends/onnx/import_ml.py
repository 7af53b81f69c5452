"""Importers of ai.onnx.ml: scaling, linear models and what surrounds them.

https://onnx.ai/onnx/operators/index.html#l-onnx-op-list-ai-onnx-ml
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_index import counted_from_0
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.argmax import Argmax
from ncc.ir.ops.arithmetic import Abs, Add, Div, Mul, Sub
from ncc.ir.ops.compare import Equal, Greater
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.exponential import Exp, Log
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import ReduceMax, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.rounding import Sign
from ncc.ir.ops.sigmoid import Sigmoid
from ncc.ir.ops.softmax import Softmax
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

ML = "ai.onnx.ml"


@importer("Scaler", domain=ML)
def scaler(ctx: Context) -> Value:
    """(x - offset) * scale"""
    x = ctx.cast(ctx[0], DType.f32)
    for op, name in ((Sub(), "offset"), (Mul(), "scale")):
        if ctx.has_attr(name):
            x = ctx.build(op, x, ctx.const(ctx.attr(name), DType.f32))
    return x


@importer("Normalizer", domain=ML)
def normalizer(ctx: Context) -> Value:
    """Rows divided by a norm; rows of zeros stay."""
    x, kind = ctx.cast(ctx[0], DType.f32), ctx.attr("norm", "MAX")
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
    dtype = ctx.type(0).dtype
    kind = "float" if dtype.is_float else "int64"
    missing = ctx.attr(f"replaced_value_{kind}", 0)
    is_missing = (
        ctx.build(Isnan(), ctx[0])
        if math.isnan(missing)
        else ctx.build(Equal(), ctx[0], ctx.const(missing, dtype))
    )
    value = ctx.const(ctx.need_attr(f"imputed_value_{kind}s"), dtype)
    return ctx.build(Where(), is_missing, value, ctx[0])


@importer("Binarizer", domain=ML)
def binarizer(ctx: Context) -> Value:
    """1 above the threshold, else 0."""
    dtype = ctx.type(0).dtype
    above = ctx.build(Greater(), ctx[0], ctx.const(ctx.attr("threshold", 0.0), dtype))
    return ctx.cast(above, dtype)


@importer("FeatureVectorizer", domain=ML)
def feature_vectorizer(ctx: Context) -> Value:
    """The columns of all operands side by side, as f32."""
    wanted = ctx.need_attr("inputdimensions")
    require(len(wanted) == len(ctx.operands), f"{len(wanted)} sizes of {len(ctx.operands)} inputs")
    return ctx.build(Concat(1), *(_columns(ctx, *pair) for pair in enumerate(wanted)))


def _columns(ctx: Context, index: int, wanted: int) -> Value:
    """Operand `index` as rows of f32 of `wanted` numbers; a list of numbers is a row."""
    dims = ctx.type(index).dims
    rows = dims[0] if len(dims) > 1 else 1
    count = math.prod(dims) // max(rows, 1)
    require(count == wanted, f"{count} features, not {wanted}", operand=index)
    return ctx.build(Reshape((rows, count)), ctx.cast(ctx[index], DType.f32))


@importer("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(ctx: Context) -> Value:
    """Elements of the last axis; of a tensor of one axis, as a row."""
    axis, count = ctx.type(0).rank - 1, ctx.type(1).size
    indices = ctx.build(Reshape((count,)), counted_from_0(ctx, ctx[1], axis))
    made = ctx.build(Gather(axis), ctx[0], indices)
    return made if axis else ctx.build(Reshape((1, count)), made)


@importer("LinearRegressor", domain=ML)
def linear_regressor(ctx: Context) -> Value:
    return transformed(ctx, _affine(ctx, ctx.attr("targets", 1)))


@importer("LinearClassifier", domain=ML)
def linear_classifier(ctx: Context) -> tuple[Value, ...]:
    """The label of the best score of each row, and the scores.

    Coefficients of one row tell two classes apart, the second where the score is positive.
    """
    labels = class_labels(ctx)
    features = real(ctx).tensor.dims[-1]
    if len(labels) == 2 and len(ctx.need_attr("coefficients")) == features:
        return _linear_classifier_of_two(ctx, labels)
    scores = _affine(ctx, len(labels))
    return best_label(ctx, scores), transformed(ctx, scores)


def _linear_classifier_of_two(ctx: Context, labels: list[int]) -> tuple[Value, ...]:
    score = _affine(ctx, 1)
    flat = ctx.build(Reshape((score.tensor.dims[0],)), score)
    positive = ctx.build(Greater(), flat, ctx.const(0, DType.f32))
    first, second = (ctx.const(label, DType.i64) for label in labels)
    return ctx.build(Where(), positive, second, first), two_scores(ctx, score, True)


def two_scores(ctx: Context, score: Value, shares: bool) -> Value:
    """`opposed` scores of two classes, which LOGISTIC makes probabilities of."""
    how = ctx.attr("post_transform", "NONE")
    if how == "PROBIT":
        raise unsupported("PROBIT of two classes that have one score")
    if how == "LOGISTIC":
        return transformed(ctx, opposed(ctx, score, False))
    return opposed(ctx, score, shares)


def opposed(ctx: Context, score: Value, shares: bool) -> Value:
    """Scores of two classes [rows, 2] made of that of the second [rows, 1]: the first has what a
    share leaves of 1, or the opposite of another number.
    """
    whole = ctx.const(int(shares), DType.f32)
    return ctx.build(Concat(1), ctx.build(Sub(), whole, score), score)


def _affine(ctx: Context, rows: int) -> Value:
    """x times the coefficients [rows, features], plus the intercepts."""
    coefficients = np.array(ctx.need_attr("coefficients"), np.float32)
    fits = rows > 0 and coefficients.size % rows == 0
    require(fits, f"{coefficients.size} coefficients for {rows} rows")
    w = ctx.const(coefficients.reshape(rows, -1).T)
    made = ctx.build(MatMul(), real(ctx), w)
    intercepts = ctx.attr("intercepts")
    return ctx.build(Add(), made, ctx.const(intercepts, DType.f32)) if intercepts else made


def real(ctx: Context, dtype: DType = DType.f32) -> Value:
    """Operand 0 as rows of `dtype`."""
    x = ctx.cast(ctx[0], dtype)
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


def transformed(ctx: Context, scores: Value, name: str | None = None) -> Value:
    """The scores as the transform called `name` makes probabilities of them; `post_transform` of
    the node where none is given.
    """
    name = name or ctx.attr("post_transform", "NONE")
    known: dict[str, Callable[[], Value]] = {
        "NONE": lambda: scores,
        "LOGISTIC": lambda: ctx.build(Sigmoid(), scores),
        "SOFTMAX": lambda: ctx.build(Softmax(1), scores),
        "SOFTMAX_ZERO": lambda: _softmax_of_others_than_zero(ctx, scores),
        "PROBIT": lambda: _probit(ctx, scores),
    }
    if name not in known:
        raise NccError("invalid-model", f"'{name}' is not a post_transform")
    return known[name]()


def _softmax_of_others_than_zero(ctx: Context, scores: Value) -> Value:
    """Softmax of each row in which scores of 0 (to 1e-7) take no part and stay."""
    build, dtype = ctx.build, scores.tensor.dtype
    some = build(Greater(), build(Abs(), scores), ctx.const(1e-7, dtype))
    largest = build(ReduceMax((1,)), scores)
    terms = build(Exp(), build(Sub(), scores, largest))
    terms = build(Where(), some, terms, ctx.const(0, dtype))
    return build(Div(), terms, build(ReduceSum((1,)), terms))


def _probit(ctx: Context, share: Value) -> Value:
    """The quantile of the normal distribution below which a share lies.

    By S. Winitzki's approximation of the inverse of erf (2008) with a = 0.147, as onnxruntime.
    """
    build, dtype, a = ctx.build, share.tensor.dtype, 0.147
    x = build(Sub(), build(Mul(), share, ctx.const(2, dtype)), ctx.const(1, dtype))
    one = ctx.const(1, dtype)
    log = build(Log(), build(Mul(), build(Sub(), one, x), build(Add(), one, x)))
    half = build(Mul(), log, ctx.const(0.5, dtype))
    v = build(Add(), half, ctx.const(2 / (math.pi * a), dtype))
    square = build(Sub(), build(Mul(), v, v), build(Mul(), log, ctx.const(1 / a, dtype)))
    size = build(Sqrt(), build(Sub(), build(Sqrt(), square), v))
    scaled = build(Mul(), size, ctx.const(math.sqrt(2), dtype))
    return build(Mul(), build(Sign(), x), scaled)
