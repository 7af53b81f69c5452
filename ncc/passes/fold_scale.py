"""Fold a factor per channel, as of a batch norm, into the filters that feed it.

    %0 = conv(%x, %w) {...} : f32[1, 8, 5, 5]
    %1 = add(%0, %b) : f32[1, 8, 5, 5]
    %2 = mul(%1, %s) : f32[1, 8, 5, 5]
    %3 = add(%2, %t) : f32[1, 8, 5, 5]
becomes, with w, b, s, t constant
    %0 = reshape(%s) {shape = [8, 1, 1, 1]} : f32[8, 1, 1, 1]
    %1 = mul(%w, %0) : f32[8, 3, 3, 3]
    %2 = conv(%x, %1) {...} : f32[1, 8, 5, 5]
    %3 = mul(%b, %s) : f32[8, 1, 1]
    %4 = add(%3, %t) : f32[8, 1, 1]
    %5 = add(%2, %4) : f32[1, 8, 5, 5]

Constants stand on the right, as `canonicalize` puts them. The new filters stay an expression that
is evaluated when the bundle is written. A product that someone else reads is left alone.
"""

from __future__ import annotations

import math

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add, Div, Mul, Neg, Reciprocal, Sub
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import C, P, Skip, Trace, V, rewrite, rule
from ncc.ir.types import Shape, TensorType
from ncc.passes import graph_pass

PRODUCTS = (Conv, ConvTranspose, MatMul)
PRODUCT = P(PRODUCTS, V("x"), C("w"), node="product", once=True)
BIASED = P(Add, PRODUCT, C("b"), node="biased", once=True)


@graph_pass
def fold_scale(graph: Graph, *, trace: Trace | None = None) -> Graph:
    """`graph` with constant factors after products moved into their constant operand."""
    rules = (subtract, divide, divide_biased, scale, scale_biased, add_biases)
    return rewrite(graph, rules, trace=trace)


@rule(P(Sub, PRODUCT, C("b")))
def subtract(build: Builder, product: Node, b: Value) -> Value:
    """product - b -> product + -b"""
    return build(Add(), product.result, build(Neg(), b))


@rule(P(Div, PRODUCT, C("s")))
def divide(build: Builder, product: Node, s: Value) -> Value | Skip:
    """product / s -> product * (1 / s)"""
    return _times_reciprocal(build, product.result, product, s)


@rule(P(Div, BIASED, C("s")))
def divide_biased(build: Builder, product: Node, biased: Node, s: Value) -> Value | Skip:
    """(product + b) / s -> (product + b) * (1 / s)"""
    return _times_reciprocal(build, biased.result, product, s)


def _times_reciprocal(build: Builder, value: Value, product: Node, s: Value) -> Value | Skip:
    if factor_shape(product, s.tensor) is None:
        return _not_per_channel(s)
    return build(Mul(), value, build(Reciprocal(), s))


@rule(P(Mul, PRODUCT, C("s")))
def scale(build: Builder, product: Node, x: Value, w: Value, s: Value) -> Value | Skip:
    """product(x, w) * s -> product(x, w * s)"""
    shape = factor_shape(product, s.tensor)
    if shape is None:
        return _not_per_channel(s)
    return build(product.op, x, build(Mul(), w, build(Reshape(shape), s)))


@rule(P(Mul, BIASED, C("s")))
def scale_biased(build: Builder, product: Node, biased: Node, b: Value, s: Value) -> Value | Skip:
    """(product + b) * s -> product * s + b * s"""
    if biased.result.type != product.result.type:
        return Skip(f"the bias makes {biased.result.type} of {product.result.type}")
    if factor_shape(product, s.tensor) is None:
        return _not_per_channel(s)
    return build(Add(), build(Mul(), product.result, s), build(Mul(), b, s))


@rule(P(Add, BIASED, C("c")))
def add_biases(build: Builder, product: Node, b: Value, c: Value) -> Value:
    """(product + b) + c -> product + (b + c)"""
    return build(Add(), product.result, build(Add(), b, c))


def _not_per_channel(s: Value) -> Skip:
    return Skip(f"{s.type} is not one factor per channel of floats")


def factor_shape(product: Node, s: TensorType) -> Shape | None:
    """The shape under which `s` multiplies the constant operand of `product` instead.

    None when it differs along another axis than that of the filters or columns.
    """
    op, w, result = product.op, product.operands[1].tensor, product.result.tensor
    if s.dtype is not w.dtype or not s.dtype.is_float or not s.is_static or s.rank > result.rank:
        return None
    if s.size == 1:
        return (1,) * w.rank
    aligned = (1,) * (result.rank - s.rank) + s.dims
    channel, filters = _channel_axes(op, result.rank, w.rank)
    if filters is None or math.prod(aligned) != aligned[channel] or s.size != w.shape[filters]:
        return None
    return tuple(s.size if axis == filters else 1 for axis in range(w.rank))


def _channel_axes(op: Op, result: int, w: int) -> tuple[int, int | None]:
    """The axis of the result that counts filters, and that of the constant operand."""
    match op:
        case Conv():
            return 1, 0
        case ConvTranspose():
            return 1, 1 if op.groups == 1 else None
        case _:
            return result - 1, w - 1
