"""Bounds of integers, as far as the ops that make them tell."""

from __future__ import annotations

import math

from ncc.ir.fold import literal
from ncc.ir.graph import Node, Value
from ncc.ir.ops.arithmetic import Add, Mul, Neg, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.logic import And
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.scalar import limits
from ncc.ir.types import TensorType

MOVES = (BroadcastTo, Reshape, Slice, Transpose)
TELLING = (Cast, *MOVES, And, Neg, Add, Sub, Mul, ReduceSum, Conv, MatMul)
DEPTH = 8
"""Ops in a row that are looked at."""

Range = tuple[int, int]
"""The least and the largest of some integers, or what is below and above them."""


def bounds(whole: Value, depth: int = DEPTH) -> Range:
    """Bounds of integers; those of their type where ops may wrap around."""
    low, high = map(int, limits(whole.tensor.dtype))
    known = literal(whole)
    if known is not None and known.size:
        return int(known.min()), int(known.max())
    found = _made(whole.node, depth - 1) if whole.node is not None and depth else None
    return found if found and low <= found[0] and found[1] <= high else (low, high)


def _made(node: Node, depth: int) -> Range | None:
    """Bounds of the result of a node, whatever its type holds; None for ops that do not tell."""
    if not isinstance(node.op, TELLING) or not all(_is_known(value) for value in node.operands):
        return None
    a, *others = (bounds(value, depth) for value in node.operands)
    match node.op:
        case Cast() | Reshape() | BroadcastTo() | Slice() | Transpose():
            return a
        case And():
            return _common_bits(a, others[0])
        case Neg():
            return -a[1], -a[0]
        case Add():
            return a[0] + others[0][0], a[1] + others[0][1]
        case Sub():
            return a[0] - others[0][1], a[1] - others[0][0]
        case Mul():
            return _product(a, others[0])
        case ReduceSum():
            return _sum(a, node.operands[0].tensor.size // max(node.result.tensor.size, 1))
        case Conv() | MatMul():
            return _sum(_product(a, others[0]), terms(node.op, node.operands[1].tensor))
    raise AssertionError(f"{node.op} is not one of those")


def _is_known(value: Value) -> bool:
    return value.tensor.dtype.is_int and value.tensor.is_static


def _common_bits(a: Range, b: Range) -> Range | None:
    """Bounds of a & b: what is not negative clears all bits but its own."""
    masks = [high for low, high in (a, b) if low >= 0]
    return (0, min(masks)) if masks else None


def _product(a: Range, b: Range) -> Range:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _sum(term: Range, count: int) -> Range:
    """Bounds of a sum of so many terms, some of which may be zeros around a picture."""
    return min(count * term[0], 0), max(count * term[1], 0)


def terms(op: Conv | MatMul, w: TensorType) -> int:
    """Products in a sum."""
    return math.prod(w.dims[1:]) if isinstance(op, Conv) else w.dims[-2]
