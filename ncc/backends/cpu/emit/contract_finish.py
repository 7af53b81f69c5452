"""What is done with the sums of a tile: the body of the contraction, in lanes of columns.

A short body is repeated for every accumulator, with all its operands in registers. A long one
stands once, in a loop over the sums, which wait on the stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from ncc.backends.cpu import vecmath
from ncc.backends.cpu.emit.code import Value, integer, vector_literal
from ncc.backends.cpu.emit.contract_unit import Unit
from ncc.backends.cpu.emit.environment import Lanes
from ncc.backends.cpu.emit.types import element
from ncc.backends.cpu.loops import Apply, Const, Contract, Expr, Var
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


def finish_for(fn: FunctionEmitter, stmt: Contract, unit: Unit) -> Finish:
    """The cheaper way to execute the body of `stmt`."""
    assert element(stmt.acc.dtype) == unit.sum, "the accumulator has the type of the sums"
    accumulators = stmt.tile[0] * stmt.tile[1] // unit.lanes
    repeated = accumulators * sum(1 for _ in _computed(stmt))
    return (InRegisters if repeated <= REPEATED else OnStack)(fn, stmt, unit)


class InRegisters:
    """The body once per accumulator; what a column of them shares is computed once."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, unit: Unit) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit
        self._row = stmt.m[-1][0]
        self._shared = list(_same_for_all_rows(fn, stmt))

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        env, code, lanes = self._fn.environment, self._fn.code, self._unit.lanes
        first_row, first_column = (env.variables[var] for var in (self._row, self._stmt.n))
        for vector in range(len(sums[0])):
            base = code.binary("add nuw nsw", first_column, integer(vector * lanes))
            active = min(lanes, columns - vector * lanes)
            with env.within(_lanes(self._stmt.n, base, lanes, active)):
                for expr in self._shared:
                    self._fn.expressions.vector(expr)
                for row, vectors in enumerate(sums):
                    at = code.binary("add nuw nsw", first_row, integer(row))
                    with env.bound(self._row, at):
                        self._fn.declare(self._stmt.acc, vectors[vector])
                        self._fn.statements(self._stmt.body)

    def tile(self) -> None:
        """All is done."""


class OnStack:
    """The sums are put on the stack; the body runs in a loop over their rows and vectors."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, unit: Unit) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit
        self._row, self._rows = stmt.m[-1]
        self._sums = fn.code.allocate(unit.sum, count=stmt.tile[0] * stmt.tile[1])

    def piece(self, sums: list[list[Value]], columns: int) -> None:
        code, nr = self._fn.code, self._stmt.tile[1]
        for row, vectors in enumerate(sums):
            for vector, value in enumerate(vectors):
                place = integer(row * nr + vector * self._unit.lanes)
                code.store(value, code.offset(self._sums, value.element, place))

    def tile(self) -> None:
        fn, stmt, env, code = self._fn, self._stmt, self._fn.environment, self._fn.code
        lanes, (height, nr) = self._unit.lanes, stmt.tile
        first_row, first_column = (env.variables[var] for var in (self._row, stmt.n))
        rows = self._left(self._rows, first_row, height)
        columns = self._left(stmt.columns, first_column, nr)
        with fn.loop(stmt.body, 0, rows) as row, fn.loop(stmt.body, 0, columns, lanes) as column:
            place = code.binary("add nuw nsw", code.binary("mul nuw nsw", row, integer(nr)), column)
            value = code.load(code.offset(self._sums, self._unit.sum, place), self._unit.sum, lanes)
            base = code.binary("add nuw nsw", first_column, column)
            at = code.binary("add nuw nsw", first_row, row)
            mask = self._mask(base)
            here = Lanes(stmt.n, base, lanes, lanes, lanes, mask)
            with env.within(here), env.bound(self._row, at):
                fn.declare(stmt.acc, value)
                fn.statements(stmt.body)

    def _left(self, length: int, start: Value, size: int) -> Value:
        """How much of a piece of `size` lies before the end of `length`."""
        if length % size == 0:
            return integer(size)
        left = self._fn.code.binary("sub nuw nsw", integer(length), start)
        return self._fn.code.intrinsic("llvm.umin", left, integer(size))

    def _mask(self, base: Value) -> Value | None:
        """The lanes from column `base` on that exist; None where all do."""
        code, lanes = self._fn.code, self._unit.lanes
        if self._stmt.columns % lanes == 0:
            return None
        left = code.binary("sub nuw nsw", integer(self._stmt.columns), base)
        every = vector_literal(range(lanes), "i32")
        return code.compare("icmp ult", every, code.splat(code.resize(left, "i32"), lanes))


def _lanes(var: Var, base: Value, width: int, active: int) -> Lanes:
    """`active` of `width` lanes from column `base` on."""
    some = vector_literal([lane < active for lane in range(width)], "i1")
    return Lanes(var, base, width, width, active, some if active < width else None)


def _values(stmt: Contract) -> Iterator[Expr]:
    """Every expression that the body evaluates, but for index arithmetic."""
    for expr in postorder(root for inner in stmt.body for root in operands(inner)):
        if expr.dtype is not DType.i64 and not isinstance(expr, Const):
            yield expr


def _same_for_all_rows(fn: FunctionEmitter, stmt: Contract) -> Iterator[Expr]:
    """The expressions of the body that depend on the column but on nothing inside the tile."""
    inside = {stmt.m[-1][0], *changes(stmt.body), stmt.acc}
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
