"""Multiply integers of 8 bits as such, for targets with products of them.

    %0 = cast(%x) {to = i32} : i32[4, 8]
    %1 = cast(sub(%0, %zero)) {to = bf16} : bf16[4, 8]
    %2 = cast(%w) {to = bf16} : bf16[8, 2]
    %3 = matmul(%1, %2) {result = f32} : f32[4, 2]
becomes, for a u8 %x and a constant i8 %w
    %0 = matmul(%x, %w) : i32[4, 2]
    %1 = add(%0, neg(mul(%zero, reduce_sum(%w)))) : i32[4, 2]
    %2 = cast(%1) {to = f32} : f32[4, 2]

What the zero point adds to a sum depends on the filter alone. An i8 %x is moved up to u8, together
with its zero point, which is also what a convolution is padded with. A bias of integers joins the
sums, and sums that are made integers again stay so.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ncc.ir.bounds import bounds, terms
from ncc.ir.fold import constant_array
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.indexing import constant
from ncc.ir.ops.arithmetic import Add, Mul, Neg, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import BYTES, MatMul
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import C, D, P, Skip, Trace, V, rewrite, rule
from ncc.ir.scalar import limits
from ncc.ir.types import DType, TensorType
from ncc.ir.whole import as_bytes
from ncc.passes import graph_pass

MIDDLE = 128
"""What is added to an i8 to make it a u8."""
LARGEST_TERM = 255 * 255
LARGEST_SUM = 2**31 - 1
MANY = 128
"""Filters from which it pays to add up the rows of x, as zero points of filters ask for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Quantized:
    """Integers u8 or i8, and the i32 that is subtracted from them; None for nothing."""

    x: Value
    zero: Value | None


@dataclasses.dataclass(frozen=True, slots=True)
class Left:
    """A product without its right operand."""

    op: Conv | MatMul
    x: Value


@graph_pass
def byte_products(graph: Graph, *, trace: Trace | None = None) -> Graph:
    """`graph` with products of quantized integers by constant ones of 8 bits made of bytes."""
    return rewrite(graph, (byte_product, bias_of_sums, sums_again), trace=trace)


@rule(P((Conv, MatMul), P(Cast, D("whole")), C("w"), node="product"))
def byte_product(build: Builder, product: Node, whole: Value, w: Value) -> Value | Skip:
    """product(x - zero, w - point) -> f32(product(x, w) - ...), where all of it is exact"""
    op = product.op
    assert isinstance(op, Conv | MatMul)
    found, filters = _activations(build, op, whole), _filters(build, op, w)
    if found is None or filters is None or not _is_exact(op, product):
        return Skip(f"{whole.type} by {w.type} is no product of bytes")
    padded = _padded(build, op, found)
    if padded is None:
        return Skip("it is not known what the padding is")
    sums = build(padded.op, padded.x, filters.x)
    if filters.zero is not None:
        sums = build(Sub(), sums, _by_row(build, padded, filters))
    if found.zero is not None:
        sums = build(Add(), sums, _by_filter(build, op, found.zero, filters))
    return build(Cast(DType.f32), sums)


def _is_exact(op: Conv | MatMul, product: Node) -> bool:
    """Whether a product of bf16 is one of integers whose sums i32 holds."""
    x, w = (value.tensor for value in product.operands)
    return (
        op.result is DType.f32
        and x.dtype is w.dtype is DType.bf16
        and terms(op, w) * LARGEST_TERM <= LARGEST_SUM
    )


def _activations(build: Builder, op: Conv | MatMul, whole: Value) -> Quantized | None:
    """The left operand, `whole`, as u8 with one zero point for all terms of a sum."""
    found = _quantized(whole)
    if found is None:
        return None
    x, zero = found.x, found.zero
    if zero is not None and not _is_shared(op, x, zero):
        return None
    if x.tensor.dtype is DType.u8:
        return found
    middle = constant(build, MIDDLE, DType.i32)
    moved = build(Add(), build(Cast(DType.i32), x), middle)
    zero = middle if zero is None else build(Add(), zero, middle)
    return Quantized(build(Cast(DType.u8), moved), zero)


def _filters(build: Builder, op: Conv | MatMul, w: Value) -> Quantized | None:
    """The right operand as i8, with a zero point where less it does not fit.

    Filters of one channel each are left alone: no narrow product computes their few terms.
    """
    if isinstance(op, Conv) and w.tensor.dims[1] == 1:
        return None
    whole = as_bytes(build, w)
    if whole is not None:
        return Quantized(whole, None)
    cast = w.node
    found = _quantized(cast.operands[0]) if cast is not None and isinstance(w.op, Cast) else None
    if found is None or not _is_large(op, w.tensor):
        return None
    zero = found.zero or constant(build, 0, DType.i32)
    if zero.tensor.size > 1 and not _is_by_filter(op, zero.tensor, w.tensor):
        return None
    if found.x.tensor.dtype is DType.i8:
        return Quantized(found.x, zero)
    middle = constant(build, MIDDLE, DType.i32)
    moved = build(Sub(), build(Cast(DType.i32), found.x), middle)
    return Quantized(build(Cast(DType.i8), moved), build(Sub(), zero, middle))


def _is_large(op: Conv | MatMul, w: TensorType) -> bool:
    """Whether adding up the rows of x takes little time beside the product itself."""
    return w.dims[_filter_axis(op)] >= MANY and (isinstance(op, MatMul) or op.groups == 1)


def _is_by_filter(op: Conv | MatMul, zero: TensorType, w: TensorType) -> bool:
    """Whether several zero points are one for each filter."""
    aligned = isinstance(op, MatMul) or zero.rank == w.rank
    return aligned and zero.dims[_filter_axis(op)] == zero.size


def _filter_axis(op: Conv | MatMul) -> int:
    """The axis of w along which filters lie side by side."""
    return 0 if isinstance(op, Conv) else -1


def _quantized(whole: Value) -> Quantized | None:
    """The bytes that activations are, less a zero point; None if they are something else."""
    if whole.tensor.dtype in BYTES:
        return Quantized(whole, None)
    if not isinstance(whole.op, Sub) or whole.node is None:
        return None
    wide, zero = whole.node.operands
    if not isinstance(wide.op, Cast) or wide.node is None or wide.tensor.dtype is not DType.i32:
        return None
    (x,) = wide.node.operands
    if x.tensor.dtype not in BYTES or x.tensor.shape != whole.tensor.shape:
        return None
    return Quantized(x, zero) if _is_like(zero, x) else None


def _is_like(zero: Value, x: Value) -> bool:
    """Whether a zero point is one that the integers may be: what a convolution is padded with."""
    low, high = bounds(zero)
    least, most = limits(x.tensor.dtype)
    return least <= low and high <= most


def _is_shared(op: Conv | MatMul, x: Value, zero: Value) -> bool:
    """Whether all terms of each sum have the same zero point."""
    if zero.tensor.size == 1:
        return True
    by_row = zero.tensor.rank == x.tensor.rank and zero.tensor.dims[-1] == 1
    return isinstance(op, MatMul) and by_row


def _padded(build: Builder, op: Conv | MatMul, x: Quantized) -> Left | None:
    """The op and its left operand, of which a zero point is what the op pads with, if it does."""
    plain = dataclasses.replace(op, result=None)
    if isinstance(plain, MatMul) or x.zero is None or not any(plain.low + plain.high):
        return Left(plain, x.x)
    point = constant_array(x.zero)
    if point is None:
        return None
    around = Pad((0, 0, *plain.low), (0, 0, *plain.high), float(point.item()))
    nothing = (0,) * len(plain.low)
    return Left(dataclasses.replace(plain, low=nothing, high=nothing), build(around, x.x))


def _by_filter(build: Builder, op: Conv | MatMul, zero: Value, w: Quantized) -> Value:
    """What is added to the sums for the zero point of x."""
    whole = build(Cast(DType.i32), w.x)
    if w.zero is not None:
        whole = build(Sub(), whole, w.zero)
    totals = build(ReduceSum(_summed(op, w.x.tensor)), whole)
    point = build(Reshape(()), zero) if zero.tensor.size == 1 else zero
    return build(Neg(), build(Mul(), point, _beside_sums(build, op, totals)))


def _by_row(build: Builder, left: Left, w: Quantized) -> Value:
    """What is taken from the sums for the zero point of w: it adds up along each row of x."""
    assert w.zero is not None, "there is a zero point"
    shape = list(w.x.tensor.dims)
    shape[_filter_axis(left.op)] = 1
    ones = build(BroadcastTo(tuple(shape)), constant(build, 1, DType.i8))
    point = w.zero if w.zero.tensor.size > 1 else build(Reshape(()), w.zero)
    return build(Mul(), build(left.op, left.x, ones), _beside_sums(build, left.op, point))


def _summed(op: Conv | MatMul, w: TensorType) -> tuple[int, ...]:
    """The axes of w that a product sums over."""
    return tuple(range(1, w.rank)) if isinstance(op, Conv) else (w.rank - 2,)


def _beside_sums(build: Builder, op: Conv | MatMul, numbers: Value) -> Value:
    """Numbers, one for each filter, as they broadcast against the sums."""
    if isinstance(op, MatMul) or numbers.tensor.rank == 0:
        return numbers
    return build(Reshape((numbers.tensor.size, *[1] * (numbers.tensor.rank - 2))), numbers)


@rule(P(Add, P(Cast, V("sums"), bind="cast", once=True), C("bias")))
def bias_of_sums(build: Builder, cast: Cast, sums: Value, bias: Value) -> Value | Skip:
    """f32(sums) + bias -> f32(sums + bias)"""
    if cast.to is not DType.f32 or not _is_sum(sums):
        return Skip(f"{sums.type} is no sum of products of bytes")
    room = LARGEST_SUM - max(map(abs, bounds(sums)))
    values = constant_array(bias)
    if values is None or not np.all((values == np.rint(values)) & (abs(values) <= room)):
        return Skip(f"{bias.type} is not known to be integers that sums have room for")
    whole, node = build(Cast(DType.i32), bias), sums.node
    if node is not None and isinstance(node.op, Add):
        sums, offset = node.operands
        whole = build(Add(), offset, whole)
    return build(Cast(DType.f32), build(Add(), sums, whole))


@rule(P(Cast, P(Cast, V("sums"), bind="inner"), bind="outer"))
def sums_again(build: Builder, outer: Cast, inner: Cast, sums: Value) -> Value | Skip:
    """i32(f32(sums)) -> sums"""
    if outer.to is not DType.i32 or inner.to is not DType.f32 or not _is_sum(sums):
        return Skip(f"{sums.type} is no sum of products of bytes")
    return sums


def _is_sum(sums: Value) -> bool:
    """Whether values are sums of products of bytes, perhaps with what zero points add, in i32."""
    node = sums.node
    for offset in (Add, Sub):
        if node is not None and isinstance(node.op, offset):
            node = node.operands[0].node
    if node is None or not isinstance(node.op, Conv | MatMul):
        return False
    types = tuple(value.tensor.dtype for value in node.operands)
    return types == BYTES and max(map(abs, bounds(sums))) <= LARGEST_SUM
