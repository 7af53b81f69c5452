"""The body of a contraction: its row variables inside a tile, its shared parts and its length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ncc.backends.cpu import vecmath
from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contraction.walk import ask_for, moved
from ncc.backends.cpu.loopir.affine import Affine
from ncc.backends.cpu.loopir.loops import Apply, Buffer, Const, Contract, Expr, Load, Store
from ncc.backends.cpu.loopir.uses import changes, operands, postorder
from ncc.backends.cpu.tiles import LINE, RowCut
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


class Body:
    """The body on one row of a tile after another.

    Of the row variables, one is cut into tiles; a tile that takes whole values of it holds rows
    of the last variable too.
    """

    def __init__(self, fn: FunctionEmitter, stmt: Contract, taken: RowCut) -> None:
        self._fn = fn
        self._stmt = stmt
        self._taken = taken
        self._places = _places(stmt)
        self._vars = tuple(var for var, _ in stmt.m[-1 if taken.whole == 1 else -2 :])

    @property
    def first(self) -> Value:
        """The value of the variable that is cut, in the first row of the tile."""
        return self._fn.environment.variables[self._vars[0]]

    def emit(self, row: Value, total: Value) -> None:
        """The body, in the lanes in force, on `total` of a row counted from the tile's first."""
        with self._bound(row):
            self._fn.declare(self._stmt.acc, total)
            self._fn.statements(self._stmt.body)

    @contextmanager
    def _bound(self, row: Value) -> Iterator[None]:
        code = self._fn.code
        if self._taken.whole == 1:
            with self._fn.bound(self._vars[0], code.binary("add nuw nsw", self.first, row)):
                yield
            return
        whole = integer(self._taken.whole)
        at = code.binary("add nuw nsw", self.first, code.binary("udiv", row, whole))
        inner = code.binary("urem", row, whole)
        with self._fn.bound(self._vars[0], at), self._fn.bound(self._vars[1], inner):
            yield

    def ask(self, rows: int, columns: int) -> None:
        """Start to bring to the second-level cache what the body touches in a tile."""
        fn = self._fn
        for row in range(rows):
            with self._bound(integer(row)):
                for buffer, form in self._touched():
                    first = fn.memory.address(buffer, form)
                    for distance in range(0, columns * buffer.dtype.itemsize, LINE):
                        ask_for(fn.code, moved(fn.code, first, distance))

    def _touched(self) -> Iterator[tuple[Buffer, Affine]]:
        """The first of the elements, side by side, that belong to the columns of a row."""
        for buffer, index in self._places:
            form = self._fn.index.form(index)
            along = form.coefficient(self._stmt.n)
            if along == 1 and not self._fn.environment.reads(index).isdisjoint(self._vars):
                yield buffer, form

    def share(self) -> None:
        """Compute, in the lanes in force, what depends on the column but on no row of a tile."""
        inside = {*self._vars, *changes(self._stmt.body), self._stmt.acc}
        for expr in _values(self._stmt):
            reads = self._fn.environment.reads(expr)
            if self._stmt.n in reads and reads.isdisjoint(inside):
                self._fn.expressions.vector(expr)


def length(stmt: Contract) -> int:
    """Instructions of the body, roughly: functions are taken as what they expand to."""
    return sum(1 for _ in _computed(stmt))


def body_bytes(stmt: Contract) -> int:
    """Size of the buffers that the body reads and writes."""
    exprs = postorder(root for inner in stmt.body for root in operands(inner))
    read = {expr.buffer for expr in exprs if isinstance(expr, Load)}
    written = {inner.buffer for inner in stmt.body if isinstance(inner, Store)}
    return sum(buffer.size * buffer.dtype.itemsize for buffer in read | written)


def _places(stmt: Contract) -> list[tuple[Buffer, Expr]]:
    """Where the body reads and writes, each place once."""
    exprs = postorder(root for inner in stmt.body for root in operands(inner))
    read = [(expr.buffer, expr.index) for expr in exprs if isinstance(expr, Load)]
    written = [(inner.buffer, inner.index) for inner in stmt.body if isinstance(inner, Store)]
    return list(dict.fromkeys([*read, *written]))


def _values(stmt: Contract) -> Iterator[Expr]:
    """Every expression that the body evaluates, but for index arithmetic."""
    for expr in postorder(root for inner in stmt.body for root in operands(inner)):
        if expr.dtype is not DType.i64 and not isinstance(expr, Const):
            yield expr


def _computed(stmt: Contract) -> Iterator[Expr]:
    """Every expression that becomes an instruction."""
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
