"""What is done with the sums of a tile: the body of the contraction, in lanes of columns.

A short body is repeated for every accumulator, with all its operands in registers. A long one
stands once, in a loop over the sums, which wait on the stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ncc.backends.cpu import vecmath
from ncc.backends.cpu.emit.code import Value, integer, vector_literal
from ncc.backends.cpu.emit.contract_unit import Unit
from ncc.backends.cpu.emit.environment import Lanes
from ncc.backends.cpu.emit.types import element
from ncc.backends.cpu.loops import Apply, Const, Contract, Expr, Var
from ncc.backends.cpu.tiles import Pieces, RowCut
from ncc.backends.cpu.uses import changes, operands, postorder
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

REPEATED = 800
"""Instructions that a body may become when it is repeated for every accumulator of a tile."""


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
    repeated = accumulators * sum(1 for _ in _computed(stmt))
    return (InRegisters if repeated <= REPEATED else OnStack)(fn, stmt, unit, taken)


class InRegisters:
    """The body once per accumulator; what a column of them shares is computed once."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, unit: Unit, taken: RowCut) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit
        self._rows = TileRows(fn, stmt, taken)
        self._shared = list(_same_for_all_rows(fn, stmt, self._rows.vars))

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        fn, stmt, lanes = self._fn, self._stmt, self._unit.lanes
        first = fn.environment.variables[stmt.n]
        for vector in range(len(sums[0])):
            base = fn.code.binary("add nuw nsw", first, integer(vector * lanes))
            active = min(lanes, columns - vector * lanes)
            with fn.environment.within(_lanes(stmt.n, base, lanes, active)):
                for expr in self._shared:
                    fn.expressions.vector(expr)
                for row, vectors in enumerate(sums):
                    with self._rows.bound(integer(row)):
                        fn.declare(stmt.acc, vectors[vector])
                        fn.statements(stmt.body)

    def tile(self) -> None:
        """All is done."""


class OnStack:
    """The sums are put on the stack; the body runs in a loop over their rows and vectors."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, unit: Unit, taken: RowCut) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit
        self._taken = taken
        self._rows = TileRows(fn, stmt, taken)
        self._sums = fn.code.allocate(unit.sum, count=stmt.tile[0] * stmt.tile[1])

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        code, nr = self._fn.code, self._stmt.tile[1]
        for row, vectors in enumerate(sums):
            for vector, value in enumerate(vectors):
                place = integer(row * nr + vector * self._unit.lanes)
                code.store(value, code.offset(self._sums, value.element, place))

    def tile(self) -> None:
        fn, stmt, code, unit = self._fn, self._stmt, self._fn.code, self._unit
        lanes, nr = unit.lanes, stmt.tile[1]
        pieces = self._taken.pieces
        taken = self._left(pieces, fn.environment.variables[self._rows.vars[0]])
        rows = code.binary("mul nuw nsw", taken, integer(self._taken.whole))
        first = fn.environment.variables[stmt.n]
        columns = self._left(Pieces(stmt.columns, nr), first)
        with fn.loop(stmt.body, 0, rows) as row, fn.loop(stmt.body, 0, columns, lanes) as column:
            place = code.binary("add nuw nsw", code.binary("mul nuw nsw", row, integer(nr)), column)
            value = code.load(code.offset(self._sums, unit.sum, place), unit.sum, lanes)
            base = code.binary("add nuw nsw", first, column)
            here = Lanes(stmt.n, base, lanes, lanes, lanes, self._mask(base))
            with fn.environment.within(here), self._rows.bound(row):
                fn.declare(stmt.acc, value)
                fn.statements(stmt.body)

    def _left(self, pieces: Pieces, start: Value) -> Value:
        """The length of the piece that starts there."""
        if not pieces.rest:
            return integer(pieces.size)
        left = self._fn.code.binary("sub nuw nsw", integer(pieces.length), start)
        return self._fn.code.intrinsic("llvm.umin", left, integer(pieces.size))

    def _mask(self, base: Value) -> Value | None:
        """The lanes from column `base` on that exist; None where all do."""
        code, lanes = self._fn.code, self._unit.lanes
        if self._stmt.columns % lanes == 0:
            return None
        left = code.binary("sub nuw nsw", integer(self._stmt.columns), base)
        every = vector_literal(range(lanes), "i32")
        return code.compare("icmp ult", every, code.splat(code.resize(left, "i32"), lanes))


class TileRows:
    """The row variables that differ inside a tile: the one that is cut, and those it holds."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, taken: RowCut) -> None:
        self._fn = fn
        self._whole = taken.whole
        inside = 1 if taken.whole == 1 else 2
        self.vars = tuple(var for var, _ in stmt.m[-inside:])

    @contextmanager
    def bound(self, row: Value) -> Iterator[None]:
        """The variables are those of a row, counted from the first of the tile."""
        code, first = self._fn.code, self._fn.environment.variables[self.vars[0]]
        if self._whole == 1:
            with self._fn.bound(self.vars[0], code.binary("add nuw nsw", first, row)):
                yield
            return
        whole = integer(self._whole)
        at = code.binary("add nuw nsw", first, code.binary("udiv", row, whole))
        inner = code.binary("urem", row, whole)
        with self._fn.bound(self.vars[0], at), self._fn.bound(self.vars[1], inner):
            yield


def _lanes(var: Var, base: Value, width: int, active: int) -> Lanes:
    """`active` of `width` lanes from column `base` on."""
    some = vector_literal([lane < active for lane in range(width)], "i1")
    return Lanes(var, base, width, width, active, some if active < width else None)


def _values(stmt: Contract) -> Iterator[Expr]:
    """Every expression that the body evaluates, but for index arithmetic."""
    for expr in postorder(root for inner in stmt.body for root in operands(inner)):
        if expr.dtype is not DType.i64 and not isinstance(expr, Const):
            yield expr


def _same_for_all_rows(
    fn: FunctionEmitter, stmt: Contract, rows: tuple[Var, ...]
) -> Iterator[Expr]:
    """The expressions of the body that depend on the column but on nothing inside the tile."""
    inside = {*rows, *changes(stmt.body), stmt.acc}
    for expr in _values(stmt):
        reads = fn.environment.reads(expr)
        if stmt.n in reads and reads.isdisjoint(inside):
            yield expr


def _computed(stmt: Contract) -> Iterator[Expr]:
    """Every instruction of the body, roughly: functions are taken as what they expand to."""
    stack = list(_values(stmt))
    seen = set(stack)
    while stack:
        expr = stack.pop()
        expansion = vecmath.expand(expr.fn, expr.args) if isinstance(expr, Apply) else None
        if expansion is None:
            yield expr
            continue
        new = [inner for inner in postorder([expansion]) if inner not in seen]
        stack += new
        seen.update(new)
