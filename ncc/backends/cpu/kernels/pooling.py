"""The largest element under a window, or the mean of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ncc.backends.cpu.kernels.evaluate import MATH, Scope, widen
from ncc.backends.cpu.kernels.space import Names, Operand
from ncc.backends.cpu.kernels.windows import Bound, Place, Steps, Window, distance
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Const,
    Convert,
    Expr,
    Let,
    Load,
    Local,
    Stmt,
    apply,
    const,
)
from ncc.backends.cpu.storage.views import View
from ncc.ir.graph import Node
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.types import DType

NARROW = {DType.bf16: 0x7F80, DType.f16: 0x7C00}
"""The bits of infinity in floats of 16 bits."""


class Pooling(Window):
    """Combines the taps that lie inside the operand."""

    def __init__(self, node: Node, op: MaxPool | AveragePool) -> None:
        super().__init__(node, op.kernel, op.strides, op.dilations)
        self.op = op
        self.sizes = node.operands[0].tensor.dims[2:]
        self.edges = [self._crosses_edge(axis) for axis in range(len(self.kernel))]

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

    def write(self, places: Sequence[Place], names: Names) -> list[Expr]:
        first, loops = places[0].scope, self.loops(names)
        initial = self.initial()
        found = [Local(names("w"), initial.dtype) for _ in places]
        stmts: list[Stmt] = []
        for steps, seen in self.near(places):
            element = self.element(self._index(loops, steps, first), first)
            for number, _ in seen:
                stmts.append(Assign(found[number], self.combined(found[number], element)))
        first.stmts += [Let(local, initial) for local in found]
        first.stmts += self.sweep(loops, stmts)
        dtype = self.node.result.tensor.dtype
        pairs = zip(found, places, strict=True)
        return [MATH.cast(self.finished(local, place.scope), dtype) for local, place in pairs]

    def initial(self) -> Const:
        """What an empty window gives, in the type that elements are combined in."""
        raise NotImplementedError

    def element(self, index: Sequence[Expr], scope: Scope) -> Expr:
        """What a tap sees at `index`, or outside."""
        raise NotImplementedError

    def combined(self, local: Local, element: Expr) -> Expr:
        """The new value of `local` after a tap."""
        raise NotImplementedError

    def finished(self, local: Local, scope: Scope) -> Expr:
        """The result from what was combined."""
        return local

    def start(self, axis: int, scope: Scope) -> Expr:
        """The element along a spatial axis that the first tap sees, if any is there."""
        at = next((index for loop, index in scope.at.items() if loop.axes == (2 + axis,)), const(0))
        return at * self.op.strides[axis] - self.op.low[axis]

    def _index(self, loops: Sequence[Expr], steps: Steps, scope: Scope) -> list[Expr]:
        """The element along each spatial axis that a tap sees, from the first one without edges."""
        reach = zip(loops, self.dilations, steps, strict=True)
        further = [at * by + step for at, by, step in reach]
        return [
            self.start(axis, scope) + more if self.edges[axis] else more
            for axis, more in enumerate(further)
        ]

    def load(self, index: Sequence[Expr], scope: Scope, guard: Expr | None, other: float) -> Expr:
        """The element at `index`; `other` where `guard` is false."""
        at = self.source.index(scope.at, distance(index, self.unit))
        buffer = self.source.buffer
        return Load(buffer, at, guard, guard and Const(other, buffer.dtype))

    def inside(self, index: Sequence[Expr]) -> Expr | None:
        """Whether a tap sees an element; None if it always does."""
        guard: Expr | None = None
        for place, size, edge in zip(index, self.sizes, self.edges, strict=True):
            if edge:
                here = (place >= 0) & (place < size)
                guard = here if guard is None else guard & here
        return guard


class Maximum(Pooling):
    """The largest element; at an edge, a tap outside sees the nearest element instead.

    That element is in the window too, unless the taps are apart. Narrow floats are compared as
    the integers that are in their order.
    """

    def initial(self) -> Const:
        dtype = self.source.buffer.dtype
        narrow = dtype in NARROW
        return Const(-(1 << 15), DType.i16) if narrow else Const(_lowest(dtype), dtype)

    def element(self, index: Sequence[Expr], scope: Scope) -> Expr:
        guard, dtype = None, self.source.buffer.dtype
        if all(step == 1 for step in self.op.dilations):
            sized = zip(index, self.sizes, self.edges, strict=True)
            index = [_clamped(place, size) if edge else place for place, size, edge in sized]
        else:
            guard = self.inside(index)
        loaded = self.load(index, scope, guard, _lowest(dtype))
        return ordered(loaded) if dtype in NARROW else loaded

    def combined(self, local: Local, element: Expr) -> Expr:
        return apply("max", local, element)

    def finished(self, local: Local, scope: Scope) -> Expr:
        dtype = self.source.buffer.dtype
        return from_order(local, dtype) if dtype in NARROW else local


class Mean(Pooling):
    """The mean of the elements, or of those and the zeros around them."""

    def initial(self) -> Const:
        return Const(0, self.source.buffer.dtype.compute)

    def element(self, index: Sequence[Expr], scope: Scope) -> Expr:
        return widen(self.load(index, scope, self.inside(index), 0))

    def combined(self, local: Local, element: Expr) -> Expr:
        return local + element

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


def ordered(x: Expr) -> Expr:
    """A narrow float as an integer in the same order: any NaN is above infinity."""
    bits = _sign_and_size(Convert(x, DType.i16, bits=True))
    return bits - (0x7FFF - NARROW[x.dtype])


def from_order(place: Expr, dtype: DType) -> Expr:
    """The narrow float that `ordered` gave `place`."""
    bits = _sign_and_size(place + (0x7FFF - NARROW[dtype]))
    return Convert(bits, dtype, bits=True)


def _sign_and_size(bits: Expr) -> Expr:
    """Sign and magnitude as two's complement less 1 below 0, and back."""
    return bits ^ (apply("shr", bits, 15) & 0x7FFF)
