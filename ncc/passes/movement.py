"""Which ops commute with a conversion of elements, and through which operands.

The results of such an op are elements of its operands (or numbers of its own), chosen by position
or by order. Rounding keeps order, so rounding before or after gives the same numbers; where -0.0
and 0.0 are equal candidates, either may be chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ncc.ir.graph import Node, Value
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Abs, Neg
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import ReduceMax, ReduceMin
from ncc.ir.ops.relu import Relu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.resize import Resize
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.sampling import Coordinates, Interpolation
from ncc.ir.scalar import cast
from ncc.ir.types import DType

Carried = Callable[[Sequence[Value]], Sequence[Value]]


def _all(operands: Sequence[Value]) -> Sequence[Value]:
    return operands


def _first(operands: Sequence[Value]) -> Sequence[Value]:
    return operands[:1]


def _branches(operands: Sequence[Value]) -> Sequence[Value]:
    return operands[1:]


MOVES: Mapping[type[Op], Carried] = {
    BroadcastTo: _first,
    Concat: _all,
    Gather: _first,
    MaxPool: _first,
    Pad: _first,
    ReduceMax: _first,
    ReduceMin: _first,
    Reshape: _first,
    Resize: _first,
    Slice: _first,
    Transpose: _first,
}
"""Ops that make a tensor of their own, and which operands their elements come from."""

SELECTS: Mapping[type[Op], Carried] = {
    Abs: _first,
    Clip: _first,
    Max: _all,
    Min: _all,
    Neg: _first,
    Relu: _first,
    Where: _branches,
}
"""Elementwise ops, which run inside the kernel of a neighbour."""


def carried(node: Node, dtype: DType) -> Sequence[Value]:
    """The operands that may be converted to `dtype` instead of the result; none if it differs."""
    kind = type(node.op)
    operands = MOVES.get(kind) or SELECTS.get(kind)
    return operands(node.operands) if operands and _numbers_fit(node.op, dtype) else ()


def _numbers_fit(op: Op, dtype: DType) -> bool:
    """Whether the numbers that an op brings along are numbers of `dtype`."""
    match op:
        case Pad():
            return _fits(op.value, dtype)
        case Resize():
            within = op.coordinates is not Coordinates.CROP or _fits(op.extrapolation, dtype)
            return op.mode is Interpolation.NEAREST and within
        case Clip():
            return _fits(op.min, dtype) and _fits(op.max, dtype)
        case _:
            return True


def _fits(number: float, dtype: DType) -> bool:
    there = float(cast(np.asarray(number, np.float64), dtype))
    return there == number or (math.isnan(there) and math.isnan(number))
