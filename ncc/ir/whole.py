"""Weights that are integers of 8 bits, kept as such: half the bytes of bf16, a quarter of f32."""

from __future__ import annotations

import numpy as np

from ncc.ir.bounds import bounds
from ncc.ir.fold import literal
from ncc.ir.graph import Builder, Value
from ncc.ir.literal import Literal
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.scalar import limits
from ncc.ir.types import DType

LEAST, MOST = limits(DType.i8)


def as_bytes(build: Builder, weight: Value) -> Value | None:
    """The integers i8 that constant floats are; None where it is not known that they are."""
    node = weight.node
    if node is None:
        return None
    if isinstance(node.op, Constant):
        return _literal_bytes(build, weight)
    if isinstance(node.op, Reshape | Transpose):
        inner = as_bytes(build, node.operands[0])
        return None if inner is None else build(node.op, inner)
    if not isinstance(node.op, Cast):
        return None
    (source,) = node.operands
    if source.tensor.dtype.is_float:
        return as_bytes(build, source)
    if not source.tensor.dtype.is_int:
        return None
    low, high = bounds(source)
    return build(Cast(DType.i8), source) if low >= LEAST and high <= MOST else None


def _literal_bytes(build: Builder, weight: Value) -> Value | None:
    elements = literal(weight)
    if elements is None or weight.tensor.dtype is not DType.bf16:
        return None
    wide = elements.astype(np.float64)
    if not bool(np.all((wide == np.rint(wide)) & (wide >= LEAST) & (wide <= MOST))):
        return None
    return build(Constant(Literal.of(wide.astype(np.int8))))
