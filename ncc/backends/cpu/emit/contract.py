"""A contraction as machine code: tiles of sums in registers, then the body on each of them.

Tiles are whole wherever they can be. The last rows, and the last panel of columns, have code of
their own with fewer accumulators; lanes beyond the last column are masked in the body alone,
since panels are padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contract_matrix import MatrixTiles, fits_matrix
from ncc.backends.cpu.emit.contract_product import VectorTiles
from ncc.backends.cpu.loops import Contract
from ncc.backends.cpu.uses import changes
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def emit_contract(fn: FunctionEmitter, stmt: Contract) -> None:
    """Emit all tiles of `stmt`, or those of this core."""
    assert stmt.tile[1] == stmt.pack.nr, "a tile is as wide as a panel"
    assert stmt.b.dtype in {stmt.a.dtype, DType.i8}, "the right operand has another type"
    assert stmt.a.guard is None, "operands of a product are not guarded"
    assert stmt.b.guard is None, "operands of a product are not guarded"
    if stmt.columns == 0 or any(extent == 0 for _, extent in stmt.m):
        return
    assert all(extent > 0 for _, extent in stmt.k), "a sum of nothing is not a product"
    tiles = tiles_of(fn, stmt)
    with _numbers(fn, stmt, tiles.grid.count) as (first, end), tiles.prepared():
        fn.environment.change(changes((stmt,)))
        tiles.emit(first, end)


def tiles_of(fn: FunctionEmitter, stmt: Contract) -> MatrixTiles | VectorTiles:
    """How the tiles of `stmt` are computed, of which there is at least one."""
    return (MatrixTiles if fits_matrix(stmt, fn.target) else VectorTiles)(fn, stmt)


@contextmanager
def _numbers(fn: FunctionEmitter, stmt: Contract, count: int) -> Iterator[tuple[Value, Value]]:
    """The numbers of the tiles of this core."""
    if not stmt.parallel:
        yield integer(0), integer(count)
        return
    with fn.share(count) as numbers:
        yield numbers
