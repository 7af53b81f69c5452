"""Multiply quantized tensors as the integers that they are.

    %0 = dequantize(%x, %s, %z) : f32[4, 8]
    %1 = dequantize(%w, %t, %u) : f32[8, 2]
    %2 = matmul(%0, %1) : f32[4, 2]
becomes
    %0 = cast(%x) {to = i32} - cast(%z) {to = i32}, cast to bf16 : bf16[4, 8]
    %1 = cast(%w) {to = i32} - cast(%u) {to = i32}, cast to bf16 : bf16[8, 2]
    %2 = matmul(%0, %1) {result = f32} : f32[4, 2]
    %3 = mul(%2, mul(%s, %t)) : f32[4, 2]

An integer of 8 bits less a zero point has 8 bits and a sign, which bf16 holds, so that sums are
exact up to 2**24 where those of real numbers are rounded term by term. A quantization that follows
divides by its scale in the factor, as runtimes with integer kernels do: halves round as theirs.

Dequantized tensors that move are moved as integers before; one that is quantized again as it was
is left alone.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ncc.ir.fold import constant_array, number
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.quantize import Dequantize, Quantize
from ncc.ir.ops.relu import Relu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.rewrite import C, P, Skip, Trace, V, rewrite, rule
from ncc.ir.types import DType, Shape, TensorType
from ncc.passes import graph_pass

NARROW = {DType.i4, DType.u4, DType.i8, DType.u8}
SAME_SCALE = 1e-5
"""Scales that differ by less, relatively, are those of one unit, rounded."""


@graph_pass
def integer_products(graph: Graph, *, trace: Trace | None = None) -> Graph:
    """`graph` with products of dequantized tensors made of integers of 8 bits."""
    if not any(isinstance(node.op, Dequantize) for node in graph.nodes):
        return graph
    moves = (moved_integers, gathered_integers, largest_integers, same_integers)
    moved = rewrite(graph, moves, trace=trace)
    scaled = rewrite(moved, (integer_product, whole_bias, relu_of_units), trace=trace)
    return rewrite(scaled, (requantized,), trace=trace)


MOVES = (BroadcastTo, Reshape, Slice, Transpose)


@rule(P(MOVES, P(Dequantize, V("x"), V("s"), V("z")), node="move"))
def moved_integers(build: Builder, move: Node, x: Value, s: Value, z: Value) -> Value | Skip:
    """move(dequantize(x)) -> dequantize(move(x))"""
    moved = [_moved(build, move.op, value, x) for value in (s, z)]
    if any(value is None for value in moved):
        return Skip(f"{s.type} and {z.type} do not move like {x.type}")
    return build(Dequantize(), build(move.op, x), *(value for value in moved if value))


@rule(P(Gather, P(Dequantize, V("x"), V("s"), V("z")), V("places"), bind="gather"))
def gathered_integers(
    build: Builder, gather: Gather, x: Value, s: Value, z: Value, places: Value
) -> Value | Skip:
    """gather(dequantize(x)) -> dequantize(gather(x)), for bytes in one unit"""
    if x.tensor.dtype not in {DType.i8, DType.u8} or s.tensor.size != 1 or z.tensor.size != 1:
        return Skip(f"{x.type} in units {s.type} are no bytes in one unit")
    return build(Dequantize(), build(gather, x, places), _plain(build, s), _plain(build, z))


@rule(P(MaxPool, P(Dequantize, V("x"), V("s"), V("z")), bind="pool"))
def largest_integers(build: Builder, pool: MaxPool, x: Value, s: Value, z: Value) -> Value | Skip:
    """max_pool(dequantize(x)) -> dequantize(max_pool(x)), where the unit is positive"""
    unit = number(s)
    if unit is None or not 0 < unit < np.inf or z.tensor.size != 1:
        return Skip(f"{s.type} is not known to keep the order")
    if x.tensor.dtype not in {DType.i8, DType.u8}:
        return Skip(f"no windows over {x.type}")
    return build(Dequantize(), build(pool, x), _plain(build, s), _plain(build, z))


def _moved(build: Builder, move: Op, unit: Value, x: Value) -> Value | None:
    """A scale or zero point of x for x after `move`; None where it does not follow."""
    if unit.tensor.size == 1:
        return _plain(build, unit)
    follows = isinstance(move, Transpose) and unit.tensor.rank == x.tensor.rank
    return build(move, unit) if follows or unit.tensor.shape == x.tensor.shape else None


def _plain(build: Builder, unit: Value) -> Value:
    """A number without axes."""
    return unit if unit.tensor.rank == 0 else build(Reshape(()), unit)


@rule(P(Quantize, P(Dequantize, V("x"), V("s"), V("z")), V("s"), V("z"), bind="quantize"))
def same_integers(build: Builder, quantize: Quantize, x: Value, s: Value) -> Value | Skip:
    """quantize(dequantize(x, s, z), s, z) -> x"""
    if not x.tensor.dtype.is_int or x.tensor.dtype is not quantize.to:
        return Skip(f"{x.type} is not {quantize.to.value}")
    if s.tensor.dtype is not DType.f32:
        return Skip(f"real numbers in units of {s.type} are rounded")
    return x


INTEGERS = P(Dequantize, V("x"), V("s"), V("z"))
FILTERS = P(Dequantize, V("w"), V("t"), V("u"))


@rule(P((Conv, MatMul), INTEGERS, FILTERS, node="product"))
def integer_product(
    build: Builder, product: Node, x: Value, s: Value, z: Value, w: Value, t: Value, u: Value
) -> Value | Skip:
    """product(dequantize(x, s), dequantize(w, t)) -> product of integers * (s * t)"""
    op = product.op
    assert isinstance(op, Conv | MatMul)
    if x.tensor.dtype not in NARROW or w.tensor.dtype not in NARROW:
        return Skip(f"{x.type} and {w.type} have more than 8 bits")
    if product.result.tensor.dtype is not DType.f32 or s.tensor.size != 1 or z.tensor.size != 1:
        return Skip(f"{s.type} is not one unit of a product of f32")
    units = _units(op, t.tensor, w.tensor)
    if units is None or (u.tensor.size != 1 and u.tensor.shape != t.tensor.shape):
        return Skip(f"{t.type} is not one unit per filter of {w.type}")
    sums = build(
        dataclasses.replace(op, result=DType.f32), _centred(build, x, z), _centred(build, w, u)
    )
    unit = build(Mul(), _plain(build, s), build(Reshape(units), t))
    return build(Mul(), sums, unit)


def _units(op: Conv | MatMul, t: TensorType, w: TensorType) -> Shape | None:
    """The shape under which the units of filters multiply the result of a product."""
    if t.size == 1:
        return ()
    filters = 0 if isinstance(op, Conv) else w.rank - 1
    aligned = (1,) * (w.rank - t.rank) + t.dims
    if t.rank > w.rank or t.size != aligned[filters]:
        return None
    return (t.size, *(1,) * (w.rank - 2)) if isinstance(op, Conv) else (t.size,)


def _centred(build: Builder, x: Value, zero: Value) -> Value:
    """Quantized integers less their zero point; bf16."""
    wide = build(Sub(), build(Cast(DType.i32), x), build(Cast(DType.i32), zero))
    return build(Cast(DType.bf16), wide)


SUMS = P((Conv, MatMul), node="product", once=True)
UNITS = P(Mul, SUMS, C("unit"), once=True)
BIASED = P(Mul, P(Add, SUMS, C("bias"), once=True), C("unit"), once=True)


@rule(P(Add, UNITS, P(Dequantize, C("bias"), C("t"), C("zero"))))
def whole_bias(
    build: Builder, product: Node, unit: Value, bias: Value, t: Value, zero: Value
) -> Value | Skip:
    """sums * unit + dequantize(bias, unit) -> (sums + bias) * unit"""
    if not _is_unit(t, unit) or not _is_unit(zero, None):
        return Skip(f"{bias.type} is not in units of the product")
    whole = build(Add(), product.result, build(Cast(DType.f32), bias))
    return build(Mul(), whole, unit)


def _is_unit(t: Value, unit: Value | None) -> bool:
    """Whether scales t are those of `unit`, but for rounding; or all zero, without one."""
    found = constant_array(t)
    wanted = np.zeros(()) if unit is None else constant_array(unit)
    if found is None or wanted is None:
        return False
    return bool(np.allclose(found, wanted, rtol=SAME_SCALE, atol=0))


@rule(P(Relu, P(Mul, V("sums"), C("unit"), once=True)))
def relu_of_units(build: Builder, sums: Value, unit: Value) -> Value | Skip:
    """relu(sums * unit) -> relu(sums) * unit"""
    units = constant_array(unit)
    if units is None or not bool(np.all((units > 0) & np.isfinite(units))):
        return Skip(f"{unit.type} is not known to be positive and finite")
    return build(Mul(), build(Relu(), sums), unit)


@rule(P(Quantize, P(Mul, V("y"), C("unit"), once=True), C("s"), V("z"), bind="quantize"))
def requantized(
    build: Builder, quantize: Quantize, y: Value, unit: Value, s: Value, z: Value
) -> Value | Skip:
    """quantize(sums * unit, s) -> quantize(sums * (unit / s), 1)"""
    if number(s) == 1 or not _is_whole(y):
        return Skip(f"{y.type} is no sum of integers in a unit of its own")
    one = build(Constant(Literal.of(np.ones((), np.float32))))
    return build(quantize, build(Mul(), y, build(Div(), unit, s)), one, z)


def _is_whole(y: Value) -> bool:
    """Whether y are sums of products of integers, perhaps with a bias or without a negative."""
    node = y.node
    while node is not None and isinstance(node.op, Add | Relu):
        node = node.operands[0].node
    if node is None or not isinstance(node.op, Conv | MatMul):
        return False
    return all(_is_centred(value) for value in node.operands)


def _is_centred(value: Value) -> bool:
    source = value.node.operands[0] if isinstance(value.op, Cast) and value.node else value
    return value.tensor.dtype is DType.bf16 and source.tensor.dtype is DType.i32
