"""Importers of support vector machines.

https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Array, Context
from ncc.frontends.onnx.import_ml import (
    ML,
    best_label,
    class_labels,
    real,
    transformed,
    two_scores,
)
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.compare import Greater
from ncc.ir.ops.exponential import Exp
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.power import Pow
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@importer("SVMRegressor", domain=ML)
def svm_regressor(ctx: Context) -> Value:
    """A weighted sum of kernels [rows, 1]; with `one_class` its sign."""
    weights = _floats(ctx, "coefficients")
    supports = ctx.attr("n_supports", 0)
    x = _kernels(ctx, supports) if supports else real(ctx)
    require(weights.size == x.tensor.dims[1], f"{weights.size} weights for {x.tensor.dims[1]}")
    score = _weighted(ctx, x, weights[:, None], _floats(ctx, "rho")[:1])
    if not ctx.attr("one_class", 0):
        return score
    positive = ctx.build(Greater(), score, ctx.const(0, DType.f32))
    return ctx.build(Where(), positive, ctx.const(1, DType.f32), ctx.const(-1, DType.f32))


@importer("SVMClassifier", domain=ML)
def svm_classifier(ctx: Context) -> tuple[Value, ...]:
    """Labels and scores, without vectors those of a linear model."""
    if ctx.has_attr("prob_a"):
        raise unsupported(
            "probabilities of a support vector machine",
            hint="export it without them (scikit-learn: probability=False)",
        )
    return _of_pairs(ctx) if ctx.has_attr("vectors_per_class") else _linear(ctx)


def _linear(ctx: Context) -> tuple[Value, ...]:
    labels = class_labels(ctx)
    if len(labels) == 2:
        raise unsupported("a linear support vector machine with two rows of weights")
    weights = _floats(ctx, "coefficients")
    require(weights.size % len(labels) == 0, f"{weights.size} weights for {len(labels)} labels")
    columns = weights.reshape(len(labels), -1).T
    scores = _weighted(ctx, real(ctx), columns, _floats(ctx, "rho")[:1])
    return best_label(ctx, scores), transformed(ctx, scores)


def _of_pairs(ctx: Context) -> tuple[Value, ...]:
    """A score for each pair of classes, a vote for the first of them where it is positive."""
    labels, counts = class_labels(ctx), ctx.need_attr("vectors_per_class")
    require(len(counts) == len(labels), f"{len(counts)} kinds of vectors for {len(labels)} labels")
    pairs = list(combinations(range(len(labels)), 2))
    weights = _floats(ctx, "coefficients")
    wanted = (len(labels) - 1) * sum(counts)
    require(weights.size == wanted, f"{weights.size} weights, not {wanted}")
    owner = np.repeat(np.arange(len(labels)), counts)
    columns = _columns(weights.reshape(len(labels) - 1, -1), owner, pairs)
    scores = _weighted(ctx, _kernels(ctx, sum(counts)), columns, _floats(ctx, "rho")[: len(pairs)])
    label = best_label(ctx, _votes(ctx, scores, pairs, len(labels)))
    if len(pairs) > 1:
        return label, transformed(ctx, scores)
    shares = ctx.attr("post_transform", "NONE") != "NONE"
    return label, two_scores(ctx, scores, shares)


def _columns(weights: Array, owner: Array, pairs: list[tuple[int, int]]) -> Array:
    """The weight of each vector in the score of each pair [vectors, pairs].

    Row r of `weights` is for the class r, or r + 1 where that is not below the vector's own.
    """
    table = np.zeros((len(owner), len(pairs)), np.float32)
    for column, (first, second) in enumerate(pairs):
        table[owner == first, column] = weights[second - 1, owner == first]
        table[owner == second, column] = weights[first, owner == second]
    return table


def _votes(ctx: Context, scores: Value, pairs: list[tuple[int, int]], classes: int) -> Value:
    """How many pairs each class wins [rows, classes]."""
    build, one = ctx.build, np.eye(classes, dtype=np.float32)
    won = build(Greater(), scores, ctx.const(0, DType.f32))
    column = build(Reshape((*scores.tensor.dims, 1)), won)
    first, second = (ctx.const(one[[pair[side] for pair in pairs]]) for side in (0, 1))
    return build(ReduceSum((1,), False), build(Where(), column, first, second))


def _weighted(ctx: Context, x: Value, weights: Array, offset: Array) -> Value:
    made = ctx.build(MatMul(), x, ctx.const(weights))
    return ctx.build(Add(), made, ctx.const(offset))


def _kernels(ctx: Context, count: int) -> Value:
    """The kernel of each row and each of `count` support vectors [rows, vectors]."""
    build, x = ctx.build, real(ctx)
    rows, features = x.tensor.dims
    vectors = _floats(ctx, "support_vectors")
    require(vectors.size == count * features, f"{vectors.size} numbers in {count} vectors")
    vectors = vectors.reshape(count, features)
    numbers = ctx.attr("kernel_params", (0, 0, 3))
    require(len(numbers) == 3, f"kernel_params holds {len(numbers)} numbers, not 3")
    gamma, offset, degree = (ctx.const(number, DType.f32) for number in numbers)

    def distance() -> Value:
        apart = build(Sub(), build(Reshape((rows, 1, features)), x), ctx.const(vectors))
        return build(ReduceSum((2,), False), build(Mul(), apart, apart))

    def product() -> Value:
        return build(MatMul(), x, ctx.const(vectors.T))

    def affine() -> Value:
        return build(Add(), build(Mul(), product(), gamma), offset)

    known: dict[str, Callable[[], Value]] = {
        "LINEAR": product,
        "POLY": lambda: build(Pow(), affine(), degree),
        "RBF": lambda: build(Exp(), build(Sub(), zero, build(Mul(), distance(), gamma))),
        "SIGMOID": lambda: build(Tanh(), affine()),
    }
    zero, name = ctx.const(0, DType.f32), ctx.attr("kernel_type", "LINEAR")
    if name not in known:
        raise NccError("invalid-model", f"'{name}' is not a kernel")
    return known[name]()


def _floats(ctx: Context, name: str) -> Array:
    return np.array(ctx.need_attr(name), np.float32)
