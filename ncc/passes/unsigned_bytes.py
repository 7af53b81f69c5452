"""Quantize to u8 what is quantized to i8, for targets that multiply u8 by i8.

    %0 = quantize(%x, %s, -128) {to = i8} : i8[4, 8]
    %1 = sub(cast(%0) {to = i32}, -128) : i32[4, 8]
    %2 = dequantize(%0, %s, -128) : f32[4, 8]
becomes
    %0 = quantize(%x, %s, 0) {to = u8} : u8[4, 8]
    %1 = sub(cast(%0) {to = i32}, 0) : i32[4, 8]
    %2 = dequantize(%0, %s, 0) : f32[4, 8]

Products and shortcuts then read the same bytes. What moves integers moves those that are 128 more;
other readers have them moved back.
"""

from __future__ import annotations

import dataclasses

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.quantize import Dequantize, Quantize
from ncc.ir.ops.resize import Resize
from ncc.ir.types import DType
from ncc.passes import graph_pass
from ncc.passes.byte_products import MIDDLE
from ncc.passes.dce import dce
from ncc.passes.movement import MOVES, carried


@graph_pass
def unsigned_bytes(graph: Graph) -> Graph:
    """`graph` with u8 in place of the i8 that a quantization with one known zero point makes."""
    raised = _Raised()
    return dce(graph.rebuild(raised.visit))


class _Raised:
    """The u8 that are 128 more than an i8, and the i32 that were made of such by subtracting."""

    def __init__(self) -> None:
        self.bytes: dict[Value, Value] = {}
        self.wide: dict[Value, Value] = {}

    def visit(self, build: Builder, node: Node) -> Value | None:
        raised = self._quantized(build, node) or self._moved(build, node)
        if raised is None:
            return self._read(build, node)
        lowered = build(Sub(), build(Cast(DType.i32), raised), constant(build, MIDDLE, DType.i32))
        signed = build(Cast(DType.i8), lowered)
        self.bytes[signed] = raised
        return signed

    def _quantized(self, build: Builder, node: Node) -> Value | None:
        """A quantization to i8 as one to u8."""
        if not isinstance(node.op, Quantize) or node.op.to is not DType.i8:
            return None
        x, scale, zero = node.operands
        point = number(zero)
        if point is None:
            return None
        return build(Quantize(DType.u8), x, scale, constant(build, int(point) + MIDDLE, DType.u8))

    def _moved(self, build: Builder, node: Node) -> Value | None:
        """An op that moves such i8, on the u8."""
        if type(node.op) not in MOVES:
            return None
        moved = carried(node, DType.i8)
        if not moved or any(value not in self.bytes for value in moved):
            return None
        raised = [self.bytes[value] for value in moved]
        return build(_with_raised_number(node.op), *raised, *node.operands[len(raised) :])

    def _read(self, build: Builder, node: Node) -> Value | None:
        """What reads such i8 as numbers, of the u8."""
        first = node.operands[0] if node.operands else None
        if isinstance(node.op, Dequantize) and first in self.bytes:
            _, scale, zero = node.operands
            point = number(zero)
            if point is None:
                return None
            above = constant(build, int(point) + MIDDLE, DType.u8)
            return build(node.op, self.bytes[first], scale, above)
        if isinstance(node.op, Cast) and node.op.to is DType.i32 and first in self.bytes:
            wide = build(node.op, self.bytes[first])
            lowered = build(Sub(), wide, constant(build, MIDDLE, DType.i32))
            self.wide[lowered] = wide
            return lowered
        if isinstance(node.op, Sub) and first in self.wide:
            return build(node.op, self.wide[first], _plus_middle(build, node.operands[1]))
        return None


def _with_raised_number(op: Op) -> Op:
    """An op that moves integers, with the number that it brings along 128 larger."""
    match op:
        case Pad():
            return dataclasses.replace(op, value=op.value + MIDDLE)
        case Resize():
            return dataclasses.replace(op, extrapolation=op.extrapolation + MIDDLE)
        case _:
            return op


def _plus_middle(build: Builder, zero: Value) -> Value:
    point, middle = number(zero), constant(build, MIDDLE, DType.i32)
    if point is None:
        return build(Add(), zero, middle)
    return constant(build, int(point) + MIDDLE, DType.i32)
