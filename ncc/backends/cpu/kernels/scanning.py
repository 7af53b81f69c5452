"""Kernels that combine the elements of an axis one after the other: running sums and products.

Where neighbours in memory are of different rows, they are the lanes, and a piece of them keeps its
totals at hand. Where they are of one row, lanes are scanned (`For.scan`). Rows and pieces are
shared by the cores, so that each total is made by one core, in one order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, widen
from ncc.backends.cpu.kernels.space import Loop, Operand, flat_positions, join_axes, shared
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Const,
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
from ncc.backends.cpu.storage.views import View
from ncc.diagnostics import Locs
from ncc.ir.ops.cumulative import Cumulative

LEAST_PIECE, MOST_PIECE = 512, 1024
"""Lanes of a piece: runs long enough for memory, totals few enough to stay near."""
PIECES = 8
"""Pieces that are enough to share among the cores."""
FEW_LANES = 4
"""Rows side by side that are not worth vectors."""


def scan(op: Cumulative, x: View, y: View, locs: Locs, flops: int) -> Call:
    """The call that writes what `op` makes of `x` to `y`, of one shape with elements."""
    build = KernelBuilder()
    return build.finish((_Writer(op, x, y, build).kernel(),), locs, flops)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Neighbours along `loop`, from `start` on, that are walked together."""

    loop: Loop
    width: int
    start: Expr
    at: dict[Loop, Expr]

    def place(self, lane: Expr) -> dict[Loop, Expr]:
        return {**self.at, self.loop: self.start + lane}

    def guard(self, lane: Expr) -> Expr | None:
        """Whether a lane is one of the loop, if not all are."""
        whole = self.loop.extent % self.width == 0
        return None if whole else self.start + lane < self.loop.extent


class _Writer:
    """Writes the loops of one kernel."""

    def __init__(self, op: Cumulative, x: View, y: View, build: KernelBuilder) -> None:
        self.op, self.build, self.names = op, build, build.names
        self.x = Operand(*build.bind(x, Role.input), x.strides)
        self.y = Operand(*build.bind(y, Role.output), y.strides)
        kinds = ["turn" if axis == op.axis else "lane" for axis in range(len(x.shape))]
        loops = join_axes(x.shape, kinds, [self.x, self.y], self.y)
        self.lanes = [loop for loop in loops if loop.kind == "lane"]
        self.turn = Loop(x.shape[op.axis], "turn", (op.axis,))
        self.start = Const(op.start, x.dtype.compute)

    def kernel(self) -> Stmt:
        inner = self.lanes[-1] if self.lanes else None
        if inner is not None and self._lies_along(inner):
            return self._down(inner)
        return self._along()

    def _lies_along(self, loop: Loop) -> bool:
        strides = {operand.stride(loop) for operand in (self.x, self.y)}
        return loop.extent >= FEW_LANES and strides <= {0, 1}

    # Lanes are rows.

    def _down(self, inner: Loop) -> Stmt:
        outer = [loop for loop in self.lanes if loop is not inner]
        count = math.prod(loop.extent for loop in outer)
        width = _width(inner.extent, count)
        pieces = Loop(-(-inner.extent // width), "pieces", inner.axes)
        position = self.names.var()
        at = flat_positions([*outer, pieces], position)
        piece = _Piece(inner, width, at.pop(pieces) * width, at)
        return shared(position, count * pieces.extent, self._piece(piece))

    def _piece(self, piece: _Piece) -> tuple[Stmt, ...]:
        """All turns of a piece, one after the other."""
        totals = self.build.allocate(self.start.dtype, piece.width)
        lane, first, turn = (self.names.var() for _ in range(3))
        begin = For(first, piece.width, (Store(totals, first, self.start),), Kind.vector)
        at = {**piece.place(lane), self.turn: self._turned(turn)}
        before, guard = Load(totals, lane), piece.guard(lane)
        term = widen(Load(self.x.buffer, self.x.index(at), guard))
        after = Local(self.names("t"), self.start.dtype)
        made = Let(after, apply(self.op.how, before, term))
        shown = before if self.op.exclusive else after
        stores = (self._result(at, shown, guard), Store(totals, lane, after))
        walk = For(lane, piece.width, (made, *stores), Kind.vector)
        return (begin, For(turn, self.turn.extent, (walk,)))

    def _turned(self, turn: Expr) -> Expr:
        return const(self.turn.extent - 1) - turn if self.op.reverse else turn

    # Lanes are turns.

    def _along(self) -> Stmt:
        position = self.names.var()
        at = flat_positions(self.lanes, position)
        count = math.prod(loop.extent for loop in self.lanes)
        return shared(position, count, self._row(at))

    def _row(self, at: dict[Loop, Expr]) -> tuple[Stmt, ...]:
        total, turn = Local(self.names("t"), self.start.dtype), self.names.var()
        term = widen(self.x.load({**at, self.turn: self._turned(turn)}))
        extent = self.turn.extent
        shown: Expr = turn
        guard: Expr | None = None
        first: tuple[Stmt, ...] = ()
        if self.op.exclusive:
            first = (self._result({**at, self.turn: self._turned(const(0))}, self.start, None),)
            shown, guard = turn + 1, turn < extent - 1
        body = (
            Assign(total, apply(self.op.how, total, term)),
            self._result({**at, self.turn: self._turned(shown)}, total, guard),
        )
        loop = For(turn, extent, body, Kind.vector, scan=((total, self.op.how),))
        return (*first, Let(total, self.start), loop)

    def _result(self, at: dict[Loop, Expr], value: Expr, guard: Expr | None) -> Stmt:
        stored = MATH.cast(value, self.y.buffer.dtype)
        return Store(self.y.buffer, self.y.index(at), stored, guard)


def _width(extent: int, others: int) -> int:
    """Lanes of a piece, where there are so many of `others` times."""
    wanted = extent * others // PIECES // LEAST_PIECE * LEAST_PIECE
    return min(extent, max(LEAST_PIECE, min(wanted, MOST_PIECE)))
