"""A contraction as machine code: tiles of sums in registers, then the body on each of them.

Tiles are whole wherever they can be. The last rows, and the last panel of columns, have code of
their own with fewer accumulators; lanes beyond the last column are masked in the body alone,
since panels are padded with zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer, literal
from ncc.backends.cpu.emit.contraction.body import body_bytes
from ncc.backends.cpu.emit.contraction.halves import halves_pay, member
from ncc.backends.cpu.emit.contraction.matrix import MatrixTiles, fits_matrix
from ncc.backends.cpu.emit.contraction.product import VectorTiles
from ncc.backends.cpu.emit.contraction.tile import TileEmitter
from ncc.backends.cpu.loopir.loops import Contract
from ncc.backends.cpu.loopir.panels import BlockPack
from ncc.backends.cpu.loopir.uses import changes
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def emit_contract(fn: FunctionEmitter, stmt: Contract) -> None:
    """Emit all tiles of `stmt`, or those of this core."""
    assert stmt.tile[1] == stmt.pack.nr, "a tile is as wide as a panel"
    fits = isinstance(stmt.pack, BlockPack) or stmt.b.dtype in {stmt.a.dtype, DType.i8}
    assert fits, "the right operand has another type"
    assert stmt.a.guard is None, "operands of a product are not guarded"
    assert stmt.b.guard is None, "operands of a product are not guarded"
    if stmt.columns == 0 or any(extent == 0 for _, extent in stmt.m):
        return
    assert all(extent > 0 for _, extent in stmt.k), "a sum of nothing is not a product"
    fn.environment.change(changes((stmt,)))
    tiles = tiles_of(fn, stmt)
    if not stmt.parallel:
        _emit(tiles, integer(0), integer(tiles.grid.count))
    elif _shares_rows(stmt, tiles):
        is_odd = fn.code.resize(fn.cores, "i1")
        with fn.code.when(is_odd), fn.environment.scope():
            _emit_share(fn, tiles)
        is_even = fn.code.binary("xor", is_odd, literal(True, "i1"))
        with fn.code.when(is_even), fn.environment.scope():
            _emit_half(fn, tiles)
    else:
        _emit_share(fn, tiles)


def _shares_rows(stmt: Contract, tiles: TileEmitter) -> bool:
    """Whether cores, if even in number, share the rows in halves rather than the columns.

    Vectors multiply so slowly that it makes no difference to them.
    """
    a_bytes, b_bytes = (x.buffer.size * x.dtype.itemsize for x in (stmt.a, stmt.b))
    exchanged = a_bytes + body_bytes(stmt)
    alone = isinstance(tiles, MatrixTiles) and tiles.together == 1
    return alone and halves_pay(tiles.grid, b_bytes, exchanged, tiles.l2_bytes)


def _emit_share(fn: FunctionEmitter, tiles: TileEmitter) -> None:
    """This core's share of all tiles."""
    with fn.share(tiles.grid.count // tiles.together) as bounds:
        first, end = (_times(fn, bound, tiles.together) for bound in bounds)
        _emit(tiles, first, end)


def _times(fn: FunctionEmitter, bound: Value, by: int) -> Value:
    return bound if by == 1 else fn.code.binary("mul nuw nsw", bound, integer(by))


def _emit_half(fn: FunctionEmitter, tiles: TileEmitter) -> None:
    """This core's share of one half of the rows."""
    own = member(fn.code, tiles.grid, fn.core, fn.cores)
    tiles.grid = own.half
    with fn.part(own.half.total(fn.code), own.core, own.cores) as (first, end):
        _emit(tiles, first, end)


def _emit(tiles: TileEmitter, first: Value, end: Value) -> None:
    with tiles.prepared():
        tiles.emit(first, end)


def tiles_of(fn: FunctionEmitter, stmt: Contract) -> MatrixTiles | VectorTiles:
    """How the tiles of `stmt` are computed, of which there is at least one."""
    return (MatrixTiles if fits_matrix(stmt, fn.target) else VectorTiles)(fn, stmt)
