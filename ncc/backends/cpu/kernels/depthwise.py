"""Convolutions in which every channel has one filter of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.kernels.evaluate import MATH, fma, widen
from ncc.backends.cpu.kernels.products import padded_view
from ncc.backends.cpu.kernels.space import Names, Operand
from ncc.backends.cpu.kernels.windows import Bound, Place, Steps, Window, distance
from ncc.backends.cpu.loopir.loops import Assign, Const, Expr, Let, Local, Stmt
from ncc.backends.cpu.storage.views import View
from ncc.ir.graph import Node
from ncc.ir.ops.conv import Conv


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution in which every channel has one filter of its own."""
    return isinstance(node.op, Conv) and node.op.is_depthwise(node.operands[1].tensor)


class Depthwise(Window):
    """The sum of the taps times the filter of the channel."""

    def __init__(self, node: Node, op: Conv) -> None:
        kernel = node.operands[1].tensor.dims[2:]
        super().__init__(node, kernel, op.strides, op.dilations)
        self.op = op

    def view(self, index: int, view: View) -> View:
        """The padding lies around the operand, as zeros."""
        low, high = (0, 0, *self.op.low), (0, 0, *self.op.high)
        return padded_view(view, low, high) if index == 0 else view

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        x, w = views
        self.unit = x.strides[2:]
        steps = [s * by for s, by in zip(self.unit, self.op.strides, strict=True)]
        self.taps = w.strides[2:]
        self.source = Operand(*bound[0], (*x.strides[:2], *steps))
        self.filters = Operand(*bound[1], (0, w.strides[0], *[0] * len(self.unit)))
        self.operands = [self.source, self.filters]

    def write(self, places: Sequence[Place], names: Names) -> list[Expr]:
        dtype = self.node.operands[0].tensor.dtype.compute
        first, loops = places[0].scope, self.loops(names)
        totals = [Local(names("w"), dtype) for _ in places]
        filters: dict[Steps, Expr] = {}
        along = [by * tap for by, tap in zip(self.dilations, loops, strict=True)]
        stmts: list[Stmt] = []
        for steps, seen in self.near(places):
            reach = [more + step for more, step in zip(along, steps, strict=True)]
            x = widen(self.source.load(first.at, distance(reach, self.unit)))
            for index, tap in seen:
                if tap not in filters:
                    there = [at + more for at, more in zip(loops, tap, strict=True)]
                    filters[tap] = widen(self.filters.load(first.at, distance(there, self.taps)))
                stmts.append(Assign(totals[index], fma(x, filters[tap], totals[index])))
        first.stmts += [Let(total, Const(0, dtype)) for total in totals]
        first.stmts += self.sweep(loops, stmts)
        return [MATH.cast(total, self.node.result.tensor.dtype) for total in totals]
