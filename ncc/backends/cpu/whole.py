"""Weights that are integers of 8 bits, kept as such: half the bytes of bf16, a quarter of f32."""

from __future__ import annotations

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Value
from ncc.ir.ops.arithmetic import Add, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

MIDDLE = 128
"""The zero point of u8 with which its integers are those of i8."""


def as_bytes(build: Builder, weight: Value) -> Value | None:
    """The integers i8 that constant floats are; None where it is not known that they are."""
    node = weight.node
    if node is None:
        return None
    if isinstance(node.op, Reshape | Transpose):
        inner = as_bytes(build, node.operands[0])
        return None if inner is None else build(node.op, inner)
    if not isinstance(node.op, Cast):
        return None
    (source,) = node.operands
    if source.tensor.dtype.is_float:
        return as_bytes(build, source)
    return build(Cast(DType.i8), source) if _fits_bytes(source) else None


def _fits_bytes(whole: Value) -> bool:
    """Whether integers are from -128 to 127."""
    node = whole.node
    if whole.tensor.dtype is DType.i8:
        return True
    if node is None or not isinstance(node.op, Cast | Sub | Add):
        return False
    x = node.operands[0]
    if isinstance(node.op, Cast):
        return x.tensor.dtype.is_int and _fits_bytes(x)
    shift = number(node.operands[1])
    wanted = MIDDLE if isinstance(node.op, Sub) else -MIDDLE
    return shift == wanted and _is_u8(x)


def _is_u8(x: Value) -> bool:
    """Whether integers are those of u8, perhaps wider."""
    if x.tensor.dtype is DType.u8:
        return True
    return isinstance(x.op, Cast) and x.node is not None and _is_u8(x.node.operands[0])
