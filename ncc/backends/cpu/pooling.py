"""The largest element under a window, or the mean of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ncc.backends.cpu.evaluate import MATH, Scope, widen
from ncc.backends.cpu.loops import Assign, Const, Expr, Let, Load, Local, Var, apply, const
from ncc.backends.cpu.space import Names, Operand
from ncc.backends.cpu.views import View
from ncc.backends.cpu.windows import Bound, Window, distances
from ncc.ir.graph import Node
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.types import DType


class Pooling(Window):
    """Combines the taps that lie inside the operand."""

    def __init__(self, node: Node, op: MaxPool | AveragePool) -> None:
        super().__init__(node, op.kernel)
        self.op = op
        self.sizes = node.operands[0].tensor.dims[2:]
        self.edges = [self._crosses_edge(axis) for axis in range(len(self.kernel))]
        self.pinned = frozenset(2 + axis for axis, crosses in enumerate(self.edges) if crosses)

    def _crosses_edge(self, axis: int) -> bool:
        op, size = self.op, self.sizes[axis]
        last = (self.node.result.tensor.dims[2 + axis] - 1) * op.strides[axis]
        reach = (op.kernel[axis] - 1) * op.dilations[axis]
        return op.low[axis] > 0 or last + reach - op.low[axis] >= size

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        (buffer, base), view = bound[0], views[0]
        self.unit = view.strides[2:]
        steps = [s * by for s, by in zip(self.unit, self.op.strides, strict=True)]
        walked = [0 if edge else step for step, edge in zip(steps, self.edges, strict=True)]
        self.source = Operand(buffer, base, (*view.strides[:2], *walked))
        self.operands = [self.source]

    def write(self, scopes: Sequence[Scope], names: Names) -> list[Expr]:
        dtype = self.node.result.tensor.dtype
        taps = [names.var() for _ in self.kernel]
        found = [Local(names("w"), dtype.compute) for _ in scopes]
        stmts = scopes[0].stmts
        stmts += [Let(local, Const(self.first(dtype), dtype.compute)) for local in found]
        assigns = [
            Assign(local, self.combined(local, self._places(taps, scope), scope))
            for local, scope in zip(found, scopes, strict=True)
        ]
        stmts += self.sweep(taps, assigns)
        pairs = zip(found, scopes, strict=True)
        return [MATH.cast(self.finished(local, scope), dtype) for local, scope in pairs]

    def first(self, dtype: DType) -> float | int:
        """What an empty window gives."""
        raise NotImplementedError

    def combined(self, local: Local, places: Sequence[Expr], scope: Scope) -> Expr:
        """The new value of `local` after the tap that sees `places`."""
        raise NotImplementedError

    def finished(self, local: Local, scope: Scope) -> Expr:
        """The result from what was combined."""
        return local

    def start(self, axis: int, scope: Scope) -> Expr:
        """The element along a spatial axis that the first tap sees, if any is there."""
        at = next((index for loop, index in scope.at.items() if loop.axes == (2 + axis,)), const(0))
        return at * self.op.strides[axis] - self.op.low[axis]

    def _places(self, taps: Sequence[Var], scope: Scope) -> list[Expr]:
        """The element along each spatial axis that a tap sees, from the first one without edges."""
        reach = [tap * by for tap, by in zip(taps, self.op.dilations, strict=True)]
        return [
            self.start(axis, scope) + distance if self.edges[axis] else distance
            for axis, distance in enumerate(reach)
        ]

    def load(self, places: Sequence[Expr], scope: Scope, guard: Expr | None, other: float) -> Expr:
        """The element at `places`, widened; `other` where `guard` is false."""
        index = self.source.index(scope.at, *distances(places, self.unit))
        buffer = self.source.buffer
        return widen(Load(buffer, index, guard, guard and Const(other, buffer.dtype)))

    def inside(self, places: Sequence[Expr]) -> Expr | None:
        """Whether a tap sees an element; None if it always does."""
        guard: Expr | None = None
        for place, size, edge in zip(places, self.sizes, self.edges, strict=True):
            if edge:
                here = (place >= 0) & (place < size)
                guard = here if guard is None else guard & here
        return guard


class Maximum(Pooling):
    """The largest element; at an edge, a tap outside sees the nearest element instead.

    That element is in the window too, unless the taps are apart.
    """

    def first(self, dtype: DType) -> float | int:
        return _lowest(dtype)

    def combined(self, local: Local, places: Sequence[Expr], scope: Scope) -> Expr:
        guard = None
        if all(step == 1 for step in self.op.dilations):
            sized = zip(places, self.sizes, self.edges, strict=True)
            places = [_clamped(place, size) if edge else place for place, size, edge in sized]
        else:
            guard = self.inside(places)
        lowest = _lowest(self.source.buffer.dtype)
        return apply("max", local, self.load(places, scope, guard, lowest))


class Mean(Pooling):
    """The mean of the elements, or of those and the zeros around them."""

    def first(self, dtype: DType) -> float | int:
        return 0

    def combined(self, local: Local, places: Sequence[Expr], scope: Scope) -> Expr:
        return local + self.load(places, scope, self.inside(places), 0)

    def finished(self, local: Local, scope: Scope) -> Expr:
        assert isinstance(self.op, AveragePool)
        if self.op.count_include_pad or not any(self.edges):
            return local / math.prod(self.kernel)
        count: Expr = const(1)
        for axis, taps in enumerate(self.kernel):
            count = count * (self._taps_inside(axis, scope) if self.edges[axis] else taps)
        return local / MATH.cast(count, local.dtype)

    def _taps_inside(self, axis: int, scope: Scope) -> Expr:
        """How many taps see an element along an axis."""
        step, start = self.op.dilations[axis], self.start(axis, scope)
        end = (self.sizes[axis] - start + (step - 1)) // step
        first = apply("max", step - 1 - start, const(0)) // step
        return apply("min", end, const(self.kernel[axis])) - first


def _clamped(place: Expr, size: int) -> Expr:
    return apply("max", apply("min", place, const(size - 1)), const(0))


def _lowest(dtype: DType) -> float | int:
    if dtype.is_float:
        return -math.inf
    bits = 8 * dtype.itemsize
    return -(1 << (bits - 1)) if dtype.is_signed_int else 0
