"""What is done with the sums of a tile: the body of the contraction, in lanes of columns.

A short body is repeated for every accumulator, with all its operands in registers. A long one
stands once, in a loop over the sums, which wait on the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ncc.backends.cpu.emit.code import Value, integer, vector_literal
from ncc.backends.cpu.emit.contraction.body import Body, length
from ncc.backends.cpu.emit.contraction.unit import Unit
from ncc.backends.cpu.emit.environment import Lanes
from ncc.backends.cpu.emit.registers import opaque
from ncc.backends.cpu.emit.types import element
from ncc.backends.cpu.loopir.loops import Contract
from ncc.backends.cpu.tiles import Pieces, RowCut

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

REPEATED = 800
"""Instructions that a body may become when it is repeated for every accumulator of a tile."""
REPEATED_ON_STACK = 100
"""The same, for every vector of a row of sums on the stack."""


class Finish(Protocol):
    """The body on the sums of a tile whose first row and column are bound to its variables."""

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        """Take the sums by row and vector, of which `columns` lanes count; runs in some branch."""

    def tile(self) -> None:
        """Called where the branches of one tile have met."""


def finish_for(fn: FunctionEmitter, stmt: Contract, unit: Unit, taken: RowCut) -> Finish:
    """The cheaper way to execute the body of `stmt`."""
    assert element(stmt.acc.dtype) == unit.sum, "the accumulator has the type of the sums"
    accumulators = stmt.tile[0] * stmt.tile[1] // unit.lanes
    repeated = accumulators * length(stmt)
    return (InRegisters if repeated <= REPEATED else OnStack)(fn, stmt, unit, taken)


class InRegisters:
    """The body once per accumulator; what a column of them shares is computed once."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, unit: Unit, taken: RowCut) -> None:
        self._fn = fn
        self._stmt = stmt
        self._lanes = unit.lanes
        self._body = Body(fn, stmt, taken)

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        env, code, width = self._fn.environment, self._fn.code, self._lanes
        first = env.variables[self._stmt.n]
        for vector in range(len(sums[0])):
            base = code.binary("add nuw nsw", first, integer(vector * width))
            active = min(width, columns - vector * width)
            some = vector_literal([lane < active for lane in range(width)], "i1")
            mask = some if active < width else None
            with env.within(Lanes(self._stmt.n, base, width, width, active, mask)):
                self._body.share()
                for row, vectors in enumerate(sums):
                    self._body.emit(integer(row), vectors[vector])

    def tile(self) -> None:
        """All is done."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tile on the stack: where its sums are, the first row that counts, and how many do."""

    sums: Value
    first: Value
    rows: Value


class OnStack:
    """The sums are put on the stack; the body runs in a loop over their rows.

    There is room for the sums of several tiles, of which one is selected. Those of a tile with
    fewer rows are its first ones, or its last ones if `at_end`.
    """

    def __init__(
        self,
        fn: FunctionEmitter,
        stmt: Contract,
        unit: Unit,
        taken: RowCut,
        *,
        tiles: int = 1,
        at_end: bool = False,
    ) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit
        self._pieces = taken.pieces
        self._whole = taken.whole
        self._body = Body(fn, stmt, taken)
        self._panels = Pieces(stmt.columns, stmt.pack.nr)
        self._size = taken.pieces.size * taken.whole * stmt.pack.nr
        self._stack = fn.code.allocate(unit.sum, count=tiles * self._size)
        self._selected = self._stack
        self._at_end = at_end

    @property
    def height(self) -> int:
        """The rows of a whole tile."""
        return self._pieces.size * self._whole

    def select(self, number: Value) -> None:
        """From here on the sums are those of tile `number`."""
        code = self._fn.code
        skipped = code.binary("mul nuw nsw", number, integer(self._size))
        self._selected = code.offset(self._stack, self._unit.sum, skipped)

    def place(self, row: Value | int, column: Value | int) -> Value:
        """Where one sum is put."""
        code, nr = self._fn.code, self._stmt.pack.nr
        start = code.binary("mul nsw", integer(row), integer(nr))
        index = code.binary("add nsw", start, integer(column))
        return code.offset(self._selected, self._unit.sum, index)

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        for row, vectors in enumerate(sums):
            for vector, value in enumerate(vectors):
                self._fn.code.store(value, self.place(row, vector * self._unit.lanes))

    def tile(self) -> None:
        tile = self.waiting()
        self.rows(tile, integer(0), tile.rows)

    def waiting(self) -> Waiting:
        """The sums of the selected tile, whose first row and column are bound."""
        code = self._fn.code
        taken = self._left(self._pieces, self._body.first)
        rows = code.binary("mul nuw nsw", taken, integer(self._whole))
        hidden = code.binary("sub nuw nsw", integer(self._pieces.size), taken)
        first = hidden if self._at_end and self._whole == 1 else integer(0)
        return Waiting(self._selected, first, rows)

    def rows(self, tile: Waiting, first: Value, end: Value) -> None:
        """The body on rows `first` to `end` of a tile, of which there is one at least."""
        code, selected = self._fn.code, self._selected
        self._selected = tile.sums
        with self._fn.loop(self._stmt.body, first, end) as row:
            held = code.binary("add nuw nsw", tile.first, row)
            self._for_each_vector(lambda column: self._vector(row, held, column))
        self._selected = selected

    def _for_each_vector(self, emit: Callable[[Value], None]) -> None:
        """Code for every vector of a row; `emit` takes its first column in the panel."""
        nr, lanes = self._panels.size, self._unit.lanes
        if not self._panels.rest and nr // lanes * length(self._stmt) <= REPEATED_ON_STACK:
            for column in range(0, nr, lanes):
                emit(integer(column))
            return
        columns = self._left(self._panels, self._fn.environment.variables[self._stmt.n])
        with self._fn.loop(self._stmt.body, 0, columns, lanes) as index:
            emit(index)

    def _vector(self, row: Value, held: Value, column: Value) -> None:
        """The body on a vector of a row, whose sums are in the stack's row `held`."""
        env, code, width = self._fn.environment, self._fn.code, self._unit.lanes
        total = code.load(self.place(held, column), self._unit.sum, width)
        base = code.binary("add nuw nsw", env.variables[self._stmt.n], column)
        with env.within(Lanes(self._stmt.n, base, width, width, width, self._mask(base))):
            self._body.emit(row, total)

    def _left(self, pieces: Pieces, start: Value) -> Value:
        """The length of the piece that starts there."""
        if not pieces.rest:
            return integer(pieces.size)
        left = self._fn.code.binary("sub nuw nsw", integer(pieces.length), start)
        return self._fn.code.intrinsic("llvm.umin", left, integer(pieces.size))

    def _mask(self, base: Value) -> Value | None:
        """The lanes from column `base` on that exist; None where all do.

        LLVM does not know how many, see `Code.store_some`.
        """
        code, lanes = self._fn.code, self._unit.lanes
        if self._stmt.columns % lanes == 0:
            return None
        left = opaque(
            code,
            code.binary("sub nuw nsw", integer(self._stmt.columns), base),
            self._fn.target,
        )
        every = vector_literal(range(lanes), "i32")
        return code.compare("icmp ult", every, code.splat(code.resize(left, "i32"), lanes))
