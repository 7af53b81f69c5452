"""Convolutions in which every channel has one filter of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.evaluate import MATH, Scope, fma, widen
from ncc.backends.cpu.loops import Assign, Const, Expr, Let, Local
from ncc.backends.cpu.products import padded_view
from ncc.backends.cpu.space import Names, Operand
from ncc.backends.cpu.views import View
from ncc.backends.cpu.windows import Bound, Window, distances
from ncc.ir.graph import Node
from ncc.ir.ops.conv import Conv


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution in which every channel has one filter of its own."""
    return isinstance(node.op, Conv) and node.op.is_depthwise(node.operands[1].tensor)


class Depthwise(Window):
    """The sum of the taps times the filter of the channel."""

    def __init__(self, node: Node, op: Conv) -> None:
        super().__init__(node, node.operands[1].tensor.dims[2:])
        self.op = op

    def view(self, index: int, view: View) -> View:
        """The padding lies around the operand, as zeros."""
        low, high = (0, 0, *self.op.low), (0, 0, *self.op.high)
        return padded_view(view, low, high) if index == 0 else view

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        x, w = views
        spatial = x.strides[2:]
        steps = [s * by for s, by in zip(spatial, self.op.strides, strict=True)]
        self.reach = [s * by for s, by in zip(spatial, self.op.dilations, strict=True)]
        self.taps = w.strides[2:]
        self.source = Operand(*bound[0], (*x.strides[:2], *steps))
        self.filters = Operand(*bound[1], (0, w.strides[0], *[0] * len(spatial)))
        self.operands = [self.source, self.filters]

    def write(self, scopes: Sequence[Scope], names: Names) -> list[Expr]:
        taps = [names.var() for _ in self.kernel]
        dtype = self.node.operands[0].tensor.dtype.compute
        totals = [Local(names("w"), dtype) for _ in scopes]
        stmts = scopes[0].stmts
        stmts += [Let(total, Const(0, dtype)) for total in totals]
        w = widen(self.filters.load(scopes[0].at, *distances(taps, self.taps)))
        reach = distances(taps, self.reach)
        assigns = [
            Assign(total, fma(widen(self.source.load(scope.at, *reach)), w, total))
            for scope, total in zip(scopes, totals, strict=True)
        ]
        stmts += self.sweep(taps, assigns)
        return [MATH.cast(total, self.node.result.tensor.dtype) for total in totals]
