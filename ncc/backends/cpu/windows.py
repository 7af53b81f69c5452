"""Sums and maxima over small neighbourhoods: pooling, and convolutions of one channel each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ncc.backends.cpu.evaluate import MATH, Scope, fma, widen
from ncc.backends.cpu.loops import (
    Assign,
    Buffer,
    Const,
    Expr,
    For,
    Kind,
    Let,
    Load,
    Local,
    Stmt,
    Var,
    apply,
    const,
)
from ncc.backends.cpu.products import padded_view
from ncc.backends.cpu.space import Names, Operand
from ncc.backends.cpu.views import View
from ncc.ir.graph import Node
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.types import DType

UNROLL = 25
"""Taps up to which a window is written out."""

Bound = tuple[Buffer, int]


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution in which every channel has one filter of its own."""
    op = node.op
    if not isinstance(op, Conv) or op.groups == 1:
        return False
    filters, channels = node.operands[1].tensor.dims[:2]
    return channels == 1 and filters == op.groups


def window_of(node: Node) -> Window | None:
    """How to compute the node if it is one of this file."""
    if isinstance(node.op, MaxPool | AveragePool):
        return _Pooling(node, node.op)
    if isinstance(node.op, Conv):
        assert is_depthwise(node)
        return _Depthwise(node, node.op)
    return None


class Window:
    """Computes one element of a node from the taps of its window."""

    operands: list[Operand]
    pinned: frozenset[int] = frozenset()
    """Axes of the domain whose own index is needed: they must not be joined with others."""

    def __init__(self, node: Node, kernel: Sequence[int]) -> None:
        self.node = node
        self.kernel = tuple(kernel)

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        """Take the buffers and views of the node's operands."""
        raise NotImplementedError

    def write(self, scope: Scope, names: Names) -> Expr:
        """Append the sweep over the taps to `scope`; the element, in its own type."""
        raise NotImplementedError

    def view(self, index: int, view: View) -> View:
        """The memory that the node reads through operand `index`."""
        return view

    def _sweep(self, variables: Sequence[Var], stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        kind = Kind.unrolled if math.prod(self.kernel) <= UNROLL else Kind.serial
        body = tuple(stmts)
        for var, extent in reversed(list(zip(variables, self.kernel, strict=True))):
            body = (For(var, extent, body, kind),)
        return body


class _Pooling(Window):
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

    def write(self, scope: Scope, names: Names) -> Expr:
        dtype = self.node.result.tensor.dtype
        taps = [names.var() for _ in self.kernel]
        places = [self._place(axis, tap, scope) for axis, tap in enumerate(taps)]
        if isinstance(self.op, MaxPool):
            return self._maximum(scope, names, taps, places, dtype)
        return self._mean(scope, names, taps, places, dtype)

    def _place(self, axis: int, tap: Var, scope: Scope) -> Expr:
        """The element along a spatial axis that a tap sees (at an edge, maybe none)."""
        reach = tap * self.op.dilations[axis]
        if not self.edges[axis]:
            return reach
        at = next((index for loop, index in scope.at.items() if loop.axes == (2 + axis,)), const(0))
        return at * self.op.strides[axis] + reach - self.op.low[axis]

    def _inside(self, places: Sequence[Expr]) -> Expr | None:
        guard: Expr | None = None
        for place, size, edge in zip(places, self.sizes, self.edges, strict=True):
            if edge:
                here = (place >= 0) & (place < size)
                guard = here if guard is None else guard & here
        return guard

    def _distances(self, places: Sequence[Expr]) -> list[Expr]:
        return [place * unit for place, unit in zip(places, self.unit, strict=True)]

    def _maximum(
        self, scope: Scope, names: Names, taps: list[Var], places: list[Expr], dtype: DType
    ) -> Expr:
        """At an edge, a tap outside sees the nearest element instead: it is in the window too."""
        lowest = _lowest(dtype)
        guard = None
        if all(step == 1 for step in self.op.dilations):
            sized = zip(places, self.sizes, self.edges, strict=True)
            places = [_clamped(place, size) if edge else place for place, size, edge in sized]
        else:
            guard = self._inside(places)
        found = Local(names("w"), dtype.compute)
        scope.stmts.append(Let(found, Const(lowest, dtype.compute)))
        index = self.source.index(scope.at, *self._distances(places))
        load = Load(self.source.buffer, index, guard, guard and Const(lowest, dtype))
        assign = Assign(found, apply("max", found, widen(load)))
        scope.stmts += self._sweep(taps, [assign])
        return MATH.cast(found, dtype)

    def _mean(
        self, scope: Scope, names: Names, taps: list[Var], places: list[Expr], dtype: DType
    ) -> Expr:
        assert isinstance(self.op, AveragePool)
        guard = self._inside(places)
        total = Local(names("w"), dtype.compute)
        scope.stmts.append(Let(total, Const(0, dtype.compute)))
        index = self.source.index(scope.at, *self._distances(places))
        load = Load(self.source.buffer, index, guard, guard and Const(0, dtype))
        stmts: list[Stmt] = [Assign(total, total + widen(load))]
        count: Expr = Const(math.prod(self.kernel), dtype.compute)
        if guard is not None and not self.op.count_include_pad:
            counted = Local(names("w"), dtype.compute)
            scope.stmts.append(Let(counted, Const(0, dtype.compute)))
            one, none = Const(1, dtype.compute), Const(0, dtype.compute)
            stmts.append(Assign(counted, counted + apply("where", guard, one, none)))
            count = counted
        scope.stmts += self._sweep(taps, stmts)
        return MATH.cast(total / count, dtype)


class _Depthwise(Window):
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

    def write(self, scope: Scope, names: Names) -> Expr:
        dtype = self.node.result.tensor.dtype
        taps = [names.var() for _ in self.kernel]
        total = Local(names("w"), self.node.operands[0].tensor.dtype.compute)
        scope.stmts.append(Let(total, Const(0, total.dtype)))
        x = self.source.load(scope.at, *_products(taps, self.reach))
        w = self.filters.load(scope.at, *_products(taps, self.taps))
        assign = Assign(total, fma(widen(x), widen(w), total))
        scope.stmts += self._sweep(taps, [assign])
        return MATH.cast(total, dtype)


def _products(variables: Sequence[Var], strides: Sequence[int]) -> list[Expr]:
    return [var * stride for var, stride in zip(variables, strides, strict=True)]


def _clamped(place: Expr, size: int) -> Expr:
    return apply("max", apply("min", place, const(size - 1)), const(0))


def _lowest(dtype: DType) -> float | int:
    if dtype.is_float:
        return -math.inf
    bits = 8 * dtype.itemsize
    return -(1 << (bits - 1)) if dtype.is_signed_int else 0
