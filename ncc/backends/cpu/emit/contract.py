"""A contraction as machine code: tiles of sums in registers, then the body on each of them.

Tiles are whole wherever they can be. The last rows, and the last panel of columns, have code of
their own with fewer accumulators; lanes beyond the last column are masked in the body alone,
since panels are padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ncc.backends.cpu.affine import Window, slope
from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contract_ahead import Ahead, panels_ahead, rows_ahead
from ncc.backends.cpu.emit.contract_finish import finish_for
from ncc.backends.cpu.emit.contract_grid import Grid, Place, for_each_length
from ncc.backends.cpu.emit.contract_product import Sums
from ncc.backends.cpu.emit.contract_unit import unit_for
from ncc.backends.cpu.emit.contract_walk import Cursor, Stream, Walk, moved
from ncc.backends.cpu.loops import Contract, Load, Var
from ncc.backends.cpu.tiles import Pieces, block_tiles, cut_rows, partial_sums
from ncc.backends.cpu.uses import changes

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def emit_contract(fn: FunctionEmitter, stmt: Contract) -> None:
    """Emit all tiles of `stmt`, or those of this core."""
    assert stmt.tile[1] == stmt.pack.nr, "a tile is as wide as a panel"
    assert stmt.a.dtype is stmt.b.dtype, "operands of a product have one type"
    assert stmt.a.guard is None, "operands of a product are not guarded"
    assert stmt.b.guard is None, "operands of a product are not guarded"
    if stmt.columns == 0 or any(extent == 0 for _, extent in stmt.m):
        return
    assert all(extent > 0 for _, extent in stmt.k), "a sum of nothing is not a product"
    tile = _Tile(fn, stmt)
    with _turns(fn, stmt, tile.grid.count) as (first, end):
        fn.environment.change(changes((stmt,)))
        with fn.code.loop(first, end) as number, fn.environment.scope():
            tile.emit(tile.grid.locate(fn.code, number))


@contextmanager
def _turns(fn: FunctionEmitter, stmt: Contract, count: int) -> Iterator[tuple[Value, Value]]:
    """The numbers of the tiles of this core."""
    if not stmt.parallel:
        yield integer(0), integer(count)
        return
    with fn.share(count) as numbers:
        yield numbers


class _Tile:
    """Emits one tile of `grid`."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        self._fn = fn
        self._stmt = stmt
        self._unit = unit_for(stmt.a.dtype, stmt.pack.kr, fn.target)
        self._itemsize = stmt.a.dtype.itemsize
        self._panel_bytes = stmt.pack.panel * self._itemsize
        self._a_bytes = stmt.a.buffer.size * self._itemsize
        extents = [extent for _, extent in stmt.m]
        self._rows = cut_rows(extents[-1], extents[-2] if extents[1:] else 1, stmt.tile[0])
        self._finish = finish_for(fn, stmt, self._unit, self._rows)
        outer = extents[: -1 if self._rows.whole == 1 else -2]
        self.grid = Grid(tuple(outer), self._rows.pieces, Pieces(stmt.columns, stmt.pack.nr))
        block = block_tiles(
            self.grid.row_tiles, self.grid.columns.count, self._a_bytes, self._panel_bytes
        )
        self.grid = replace(self.grid, block=block)

    def emit(self, place: Place) -> None:
        """The tile at `place`."""
        code, stmt, grid = self._fn.code, self._stmt, self.grid
        row = code.binary("mul nuw nsw", place.rows, integer(grid.rows.size))
        column = code.binary("mul nuw nsw", place.panel, integer(stmt.pack.nr))
        values = (*place.outer, row, *([integer(0)] if self._rows.whole > 1 else []))
        with ExitStack() as stack:
            for (var, _), value in zip(stmt.m, values, strict=True):
                stack.enter_context(self._fn.bound(var, value))
            stack.enter_context(self._fn.bound(stmt.n, column))
            a, b = self._operands(place.panel)

            def emit_piece(rows: int, columns: int) -> None:
                with self._fn.environment.scope():
                    self._piece((a, b), place.turn, rows * self._rows.whole, columns)

            for_each_length(
                code,
                grid.rows,
                place.rows,
                lambda rows: for_each_length(
                    code, grid.columns, place.panel, lambda columns: emit_piece(rows, columns)
                ),
            )
            self._finish.tile()

    def _operands(self, panel: Value) -> Cursor:
        """Where the first elements of A and B are."""
        fn, stmt = self._fn, self._stmt
        with ExitStack() as stack:
            for var, _ in stmt.k:
                stack.enter_context(fn.bound(var, 0))
            a, b = (fn.memory.address(x.buffer, fn.index.form(x.index)) for x in (stmt.a, stmt.b))
        skipped = fn.code.binary("mul nuw nsw", panel, integer(stmt.pack.panel))
        return a, fn.code.offset(b, self._unit.stored, skipped)

    def _piece(self, start: Cursor, turn: Value, rows: int, columns: int) -> None:
        """The sums of `rows` by `columns`, and the body on them."""
        stmt, unit = self._stmt, self._unit
        vectors = -(-columns // unit.lanes)
        steps, short = divmod(stmt.k[-1][1], stmt.pack.kr)
        a, b = self._streams()
        ahead = self._ahead(a, b, rows)
        walk = Walk(
            axes=tuple(extent for _, extent in stmt.k[:-1]),
            steps=steps,
            streams=(a, b, *(one.stream for _, one in ahead)),
            unrolled=partial_sums(rows, vectors, steps),
            short=short > 0,
        )
        places = tuple(self._row_start(row) for row in range(rows))
        sums = Sums(unit, stmt.pack.kr, places, vectors, walk)
        pointers = (self._start_ahead(start[operand], one, turn) for operand, one in ahead)
        self._finish.piece(sums.emit(self._fn.code, (*start, *pointers)), columns)

    def _row_start(self, row: int) -> int:
        """How many bytes after the first row of a tile another one begins."""
        outer, inner = divmod(row, self._rows.whole) if self._rows.whole > 1 else (0, row)
        start = inner * self._stride(self._stmt.a, self._stmt.m[-1][0])
        if outer:
            start += outer * self._stride(self._stmt.a, self._stmt.m[-2][0])
        return start

    def _streams(self) -> tuple[Stream, Stream]:
        """How the pointers into A and B move."""
        stmt, pack = self._stmt, self._stmt.pack
        a, b = (
            tuple(self._stride(operand, var) for var, _ in stmt.k[:-1])
            for operand in (stmt.a, stmt.b)
        )
        return (
            Stream(a, pack.kr * self._itemsize),
            Stream(b, pack.nr * pack.kr * self._itemsize),
        )

    def _stride(self, operand: Load, var: Var) -> int:
        """Bytes between the elements for neighbouring values of `var`."""
        window = Window(var, self._fn.indices.extents[var], 0)
        step = slope(
            self._fn.index.form(operand.index),
            window,
            lambda expr: var in self._fn.environment.reads(expr),
        )
        assert step is not None, f"an operand is not affine in {var.name}"
        return step * self._itemsize

    def _ahead(self, a: Stream, b: Stream, rows: int) -> list[tuple[int, Ahead]]:
        """What is asked for, with the number of the operand that it continues."""
        stmt, grid = self._stmt, self.grid
        steps = -(-stmt.k[-1][1] // stmt.pack.kr)
        found = (
            rows_ahead(a, self._row_start(rows), steps, self._a_bytes),
            panels_ahead(b, self._panel_bytes, grid.columns.count, grid.block),
        )
        return [(operand, one) for operand, one in enumerate(found) if one is not None]

    def _start_ahead(self, operand: Value, ahead: Ahead, turn: Value) -> Value:
        code = self._fn.code
        which = code.binary("urem", turn, integer(ahead.turns))
        shift = code.binary("mul nuw nsw", which, integer(ahead.shift))
        return moved(code, moved(code, operand, shift), ahead.distance)
