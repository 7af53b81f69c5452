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

from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contract_finish import finish_for
from ncc.backends.cpu.emit.contract_grid import Grid, Pieces, Place
from ncc.backends.cpu.emit.contract_product import Axis, Sums, sum_products
from ncc.backends.cpu.emit.contract_unit import unit_for
from ncc.backends.cpu.loops import Contract, Load, Var
from ncc.backends.cpu.tiles import block_tiles, partial_sums
from ncc.backends.cpu.uses import changes

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def emit_contract(fn: FunctionEmitter, stmt: Contract) -> None:
    """Emit all tiles of `stmt`, or those of this core."""
    assert stmt.tile[1] == stmt.pack.nr, "a tile is as wide as a panel"
    assert stmt.a.guard is None, "operands of a product are not guarded"
    assert stmt.b.guard is None, "operands of a product are not guarded"
    grid = _grid(stmt)
    if not grid.count:
        return
    tile = _Tile(fn, stmt, grid)
    with _turns(fn, stmt, grid) as (first, end):
        fn.environment.change(changes((stmt,)))
        with fn.code.loop(first, end) as number, fn.environment.scope():
            tile.emit(grid.locate(fn.code, number))


@contextmanager
def _turns(fn: FunctionEmitter, stmt: Contract, grid: Grid) -> Iterator[tuple[Value, Value]]:
    """The numbers of the tiles of this core."""
    if not stmt.parallel:
        yield integer(0), integer(grid.count)
        return
    with fn.share(grid.count) as numbers:
        yield numbers


def _grid(stmt: Contract) -> Grid:
    height, nr = stmt.tile
    *outer, (_, rows) = stmt.m
    grid = Grid(
        tuple(extent for _, extent in outer), Pieces(rows, height), Pieces(stmt.columns, nr), 1
    )
    if not grid.count:
        return grid
    a_bytes = stmt.a.buffer.size * stmt.a.dtype.itemsize
    panel_bytes = stmt.pack.panel * stmt.b.dtype.itemsize
    block = block_tiles(grid.row_tiles, grid.columns.count, a_bytes, panel_bytes)
    return replace(grid, block=block)


class _Tile:
    """Emits one tile."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, grid: Grid) -> None:
        self._fn = fn
        self._stmt = stmt
        self._grid = grid
        self._unit = unit_for(stmt.a.dtype, stmt.pack.kr, fn.target)
        self._finish = finish_for(fn, stmt, self._unit)

    def emit(self, place: Place) -> None:
        code, stmt, grid = self._fn.code, self._stmt, self._grid
        row = code.binary("mul nuw nsw", place.rows, integer(stmt.tile[0]))
        column = code.binary("mul nuw nsw", place.panel, integer(stmt.pack.nr))
        with ExitStack() as stack:
            for (var, _), value in zip(stmt.m, (*place.outer, row), strict=True):
                stack.enter_context(self._fn.bound(var, value))
            stack.enter_context(self._fn.bound(stmt.n, column))
            a, b = self._operands(place.panel)
            grid.rows.each(
                code,
                place.rows,
                lambda rows: grid.columns.each(
                    code, place.panel, lambda columns: self._piece(a, b, rows, columns)
                ),
            )
            self._finish.tile()

    def _operands(self, panel: Value) -> tuple[Value, Value]:
        """Where the first elements of A and B are."""
        fn, stmt = self._fn, self._stmt
        with ExitStack() as stack:
            for var, _ in stmt.k:
                stack.enter_context(fn.bound(var, 0))
            a, b = (fn.memory.address(x.buffer, fn.index.form(x.index)) for x in (stmt.a, stmt.b))
        skipped = fn.code.binary("mul nuw nsw", panel, integer(stmt.pack.panel))
        return a, fn.code.offset(b, self._unit.stored, skipped)

    def _piece(self, a: Value, b: Value, rows: int, columns: int) -> None:
        """The sums of `rows` by `columns`, and the body on them."""
        fn, stmt, unit = self._fn, self._stmt, self._unit
        vectors = -(-columns // unit.lanes)
        run = stmt.k[-1][1]
        sums = Sums(
            unit,
            kr=stmt.pack.kr,
            nr=stmt.pack.nr,
            rows=rows,
            vectors=vectors,
            row_stride=self._stride(stmt.a, stmt.m[-1][0]),
            axes=tuple(
                Axis(extent, self._stride(stmt.a, var), self._stride(stmt.b, var))
                for var, extent in stmt.k[:-1]
            ),
            run=run,
            parts=partial_sums(rows, vectors, run // stmt.pack.kr),
        )
        with fn.environment.scope():
            self._finish.piece(sum_products(fn.code, sums, a, b), columns)

    def _stride(self, operand: Load, var: Var) -> int:
        return self._fn.indices.affine(operand.index).coefficient(var)
