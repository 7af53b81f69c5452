"""Kernels that put updates, one after the other, where indices say.

The axes of the updates are of two kinds: `turn` axes choose a place by an index, in order; along
`lane` axes an update goes where it stands. Lanes are shared by the cores, so that the updates of
one element are always made by one core, in one order. Indices outside are taken as the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, widen
from ncc.backends.cpu.kernels.space import Loop, Operand, flat_positions, join_axes, shared
from ncc.backends.cpu.loopir.loops import (
    Expr,
    For,
    Kind,
    Let,
    Load,
    Local,
    Role,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.backends.cpu.storage.views import View, dense_strides
from ncc.diagnostics import Locs
from ncc.ir.ops.scatter import Reduction, ScatterElements, ScatterND
from ncc.ir.types import DType

LEAST_PIECE, MOST_PIECE = 16, 64
"""Lanes that a core takes at once, where they can be cut so."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """Indices with the axes of the updates, and the axis of `size` that they count along."""

    indices: View
    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Scatter:
    """Updates of `into`, with a coordinate for each axis along which an index chooses.

    `kinds` says of each axis of the updates whether it is a "turn" or a "lane", `lanes` how far
    apart neighbours along it are in `into`, 0 for turns.
    """

    kinds: tuple[str, ...]
    updates: View
    into: View
    lanes: tuple[int, ...]
    coordinates: tuple[Coordinate, ...]
    reduction: Reduction

    def call(self, locs: Locs) -> Call:
        """The call that makes the updates, after all that was done before in that memory."""
        build = KernelBuilder()
        call = build.finish((_Writer(self, build).kernel(),), locs)
        pointers = (replace(p, clears=p.writes) for p in call.pointers)
        return replace(call, pointers=tuple(pointers))


def scatter(op: ScatterElements | ScatterND, into: View, indices: View, updates: View) -> Scatter:
    """How an op updates `into`, which holds its first operand."""
    if isinstance(op, ScatterElements):
        return _elements(op, into, indices, updates)
    return _slices(op, into, indices, updates)


def _elements(op: ScatterElements, into: View, indices: View, updates: View) -> Scatter:
    """Updates along one axis of `into`; along the others they stand where they go."""
    axes = range(len(into.shape))
    kinds = tuple("turn" if axis == op.axis else "lane" for axis in axes)
    lanes = tuple(0 if axis == op.axis else into.strides[axis] for axis in axes)
    place = Coordinate(indices, into.shape[op.axis], into.strides[op.axis])
    return Scatter(kinds, updates, into, lanes, (place,), op.reduction)


def _slices(op: ScatterND, into: View, indices: View, updates: View) -> Scatter:
    """Updates of slices of `into`, at indices whose last axis holds the coordinates."""
    *outer, depth = indices.shape
    turns, rest = len(outer), len(into.shape) - depth
    places = []
    for axis in range(depth):
        one = indices.sliced([*[0] * turns, axis], [*outer, 1], [1] * (turns + 1))
        wide = replace(one, shape=(*outer, *[1] * rest), strides=(*one.strides[:-1], *[0] * rest))
        places.append(Coordinate(wide, into.shape[axis], into.strides[axis]))
    kinds = ("turn",) * turns + ("lane",) * rest
    lanes = (0,) * turns + into.strides[depth:]
    return Scatter(kinds, updates, into, lanes, tuple(places), op.reduction)


_JOINS = {
    Reduction.add: "add",
    Reduction.mul: "mul",
    Reduction.max: "max",
    Reduction.min: "min",
}


class _Writer:
    """Writes the loops of one kernel."""

    def __init__(self, scatter: Scatter, build: KernelBuilder) -> None:
        self.names = build.names
        self.scatter = scatter
        updates = scatter.updates
        self.updates = Operand(*build.bind(updates, Role.input), updates.strides)
        self.into = Operand(*build.bind(scatter.into, Role.output), scatter.lanes)
        self.indices = [
            Operand(*build.bind(one.indices, Role.input), one.indices.strides)
            for one in scatter.coordinates
        ]
        operands = [self.updates, self.into, *self.indices]
        self.loops = join_axes(updates.shape, scatter.kinds, operands, self._order())

    def _order(self) -> Operand:
        """Turns as they count, whatever lies where; after them lanes as the updates lie."""
        updates, kinds = self.scatter.updates, self.scatter.kinds
        beyond = 1 + max(map(abs, updates.strides), default=0)
        counting = zip(kinds, dense_strides(updates.shape), updates.strides, strict=True)
        strides = [beyond * dense if kind == "turn" else lane for kind, dense, lane in counting]
        return Operand(self.updates.buffer, 0, strides)

    def kernel(self) -> Stmt:
        """Lanes in pieces, shared by the cores; every turn on each of them."""
        lanes = [loop for loop in self.loops if loop.kind == "lane"]
        if not lanes:
            return self._turns({}, lambda at: (*self._place(at), self._update(at)))
        *outer, inner = lanes
        piece = _piece(inner.extent)
        pieces = Loop(inner.extent // piece, "pieces", inner.axes)
        position, lane = self.names.var(), self.names.var()
        start = flat_positions([*outer, pieces], position)
        start[inner] = start.pop(pieces) * piece

        def piecewise(at: dict[Loop, Expr]) -> tuple[Stmt, ...]:
            here = {**at, inner: at[inner] + lane}
            if any(operand.stride(inner) for operand in self.indices):
                return (For(lane, piece, (*self._place(here), self._update(here))),)
            return (*self._place(at), For(lane, piece, (self._update(here),), Kind.vector))

        count = math.prod(loop.extent for loop in outer) * pieces.extent
        return shared(position, count, (self._turns(start, piecewise),))

    def _turns(
        self, at: dict[Loop, Expr], body: Callable[[dict[Loop, Expr]], tuple[Stmt, ...]]
    ) -> Stmt:
        """All turns in order."""
        turns = {loop: self.names.var() for loop in self.loops if loop.kind == "turn"}
        made = body({**at, **turns})
        for loop, var in reversed(turns.items()):
            made = (For(var, loop.extent, made),)
        return made[0] if len(made) == 1 else For(self.names.var(), 1, made)

    def _place(self, at: dict[Loop, Expr]) -> tuple[Stmt, ...]:
        """Where in `into` the updates of a turn go, as a local."""
        total: Expr = const(0)
        for operand, one in zip(self.indices, self.scatter.coordinates, strict=True):
            wanted = MATH.cast(operand.load(at), DType.i64)
            inside = apply("max", apply("min", wanted, const(one.size - 1)), const(0))
            total = total + inside * one.stride
        self.place = Local(self.names("place"), DType.i64)
        return (Let(self.place, total),)

    def _update(self, at: dict[Loop, Expr]) -> Stmt:
        index = self.into.index(at, self.place)
        found: Expr = self.updates.load(at)
        if self.scatter.reduction is not Reduction.none:
            held = widen(Load(self.into.buffer, index))
            found = apply(_JOINS[self.scatter.reduction], held, widen(found))
        return Store(self.into.buffer, index, MATH.cast(found, self.into.buffer.dtype))


def _piece(extent: int) -> int:
    """How many lanes a core takes at once: a divisor of `extent`."""
    fitting = [size for size in range(LEAST_PIECE, MOST_PIECE + 1) if extent % size == 0]
    return max(fitting, default=extent)
