"""Put a device graph into the forms that kernels are written for.

    %0 = reduce_sum(%x) {axes = [1], keepdims = false} : f32[8]
becomes
    %0 = reduce_sum(%x) {axes = [1], keepdims = true} : f32[8, 1]
    %1 = reshape(%0) {shape = [8]} : f32[8]

a long reduction becomes one of parts (see `partial`); a product of few rows with a computed matrix
a reduction of its rows times numbers, one with a single column a reduction of rows times that;
another of f16 a product of f32, rounded to f16: the same sums, exactly; one of bytes that is no
work for panels a product of i32; and the largest element under a large window is the largest of the
largest in its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ncc.backends.cpu.kernels.depthwise import is_depthwise
from ncc.backends.cpu.partial import in_parts
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.arithmetic import Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import BYTES, MatMul, sums_of
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.reduce import Reduce, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType
from ncc.passes.few_rows import has_few_rows, has_one_column

LARGE = 16
"""Taps from which a window is cheaper along one axis after the other."""


def legalize(graph: Graph) -> Graph:
    """See above; everything else stays."""
    return graph.rebuild(_visit)


def _visit(build: Builder, node: Node) -> Value | None:
    op = node.op
    if isinstance(op, Reduce):
        return _reduced(build, op, node.operands[0])
    if has_one_column(node):
        return _summed_column(build, node)
    if has_few_rows(node):
        return _summed_rows(build, node)
    if isinstance(op, MatMul | Conv) and _is_of_wider(node):
        product = build(replace(op, result=None), *_wide(build, node))
        return _as(build, product, node.result.tensor.dtype)
    if isinstance(op, MaxPool) and math.prod(op.kernel) >= LARGE:
        return _by_axes(build, op, node.operands[0])
    return None


def _reduced(build: Builder, op: Reduce, x: Value) -> Value | None:
    """A reduction that keeps its axes, in parts if it is long; None if nothing changes."""
    kept = replace(op, keepdims=True)
    parts = in_parts(build, kept, x)
    if op.keepdims:
        return parts
    return build(Reshape(op.infer(x.tensor).shape), parts or build(kept, x))


def _summed_rows(build: Builder, node: Node) -> Value:
    """The product: for each row, the rows of the right operand times a number each, added up."""
    left, right = _wide(build, node)
    *batch, depth, columns = right.tensor.dims
    numbers = build(Reshape((*left.tensor.dims, 1)), left)
    matrix = build(Reshape((*batch, 1, depth, columns)), right)
    terms = build(Mul(), numbers, matrix)
    total = _total(build, terms, terms.tensor.rank - 2)
    return _as(build, build(Reshape(node.result.tensor.dims), total), node.result.tensor.dtype)


def _summed_column(build: Builder, node: Node) -> Value:
    """A product with one column: each row times the column, added up."""
    left, right = _wide(build, node)
    *batch, depth, _ = right.tensor.dims
    terms = build(Mul(), left, build(Reshape((*batch, 1, depth)), right))
    total = _total(build, terms, terms.tensor.rank - 1)
    return _as(build, total, node.result.tensor.dtype)


def _total(build: Builder, terms: Value, axis: int) -> Value:
    adds = ReduceSum((axis,), keepdims=True)
    return in_parts(build, adds, terms) or build(adds, terms)


def _is_of_wider(node: Node) -> bool:
    """Whether a product is one of f16, or of bytes in no panels."""
    left, right = (value.tensor.dtype for value in node.operands)
    return left is DType.f16 or ((left, right) == BYTES and is_depthwise(node))


def _wide(build: Builder, node: Node) -> list[Value]:
    """The factors of a product in the type that it is summed in."""
    left, right = (value.tensor.dtype for value in node.operands)
    to = sums_of(left, right) or left.compute
    return [_as(build, value, to) for value in node.operands]


def _as(build: Builder, value: Value, dtype: DType) -> Value:
    """`value` with elements of type `dtype`."""
    return value if value.tensor.dtype is dtype else build(Cast(dtype), value)


def _by_axes(build: Builder, op: MaxPool, x: Value) -> Value | None:
    """A window along each axis after the other; None if there is only one."""
    plain = zip(op.kernel, op.strides, op.low, op.high, strict=True)
    axes = [axis for axis, numbers in enumerate(plain) if numbers != (1, 1, 0, 0)]
    if len(axes) == 1:
        return None
    for axis in reversed(axes):

        def only(amounts: Sequence[int], other: int, axis: int = axis) -> tuple[int, ...]:
            return tuple(n if i == axis else other for i, n in enumerate(amounts))

        x = build(
            MaxPool(
                only(op.kernel, 1),
                only(op.strides, 1),
                only(op.low, 0),
                only(op.high, 0),
                only(op.dilations, 1),
            ),
            x,
        )
    return x
