"""Sums in vector registers: products of broadcast rows of A with vectors of B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Code, Value
from ncc.backends.cpu.emit.contract_body import Body
from ncc.backends.cpu.emit.contract_finish import finish_for
from ncc.backends.cpu.emit.contract_registers import emptied, settled
from ncc.backends.cpu.emit.contract_tile import TileEmitter, row_extents
from ncc.backends.cpu.emit.contract_unit import Unit, unit_for
from ncc.backends.cpu.emit.contract_walk import Carried, Cursor, Walk, moved
from ncc.backends.cpu.loops import Contract
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import cut_rows, partial_sums

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

UNROLLED = 4
"""Steps of a round, each of which asks for about one line of the next panel."""


class VectorTiles(TileEmitter):
    """Tiles whose sums stay in vector registers; the last rows and columns take fewer."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        taken = cut_rows(*row_extents(stmt), stmt.tile[0])
        super().__init__(fn, stmt, taken, depth=stmt.pack.kr)
        self._unit = unit_for(stmt.a.dtype, stmt.pack.kr, fn.target)
        self._body = Body(fn, stmt, self.taken)
        self._finish = finish_for(fn, stmt, self._unit, self.taken)

    def emit(self, first: Value, end: Value) -> None:
        with self.located(first, end) as (_, place, start):
            self.pieces(place, lambda rows, columns: self._piece(start, place.turn, rows, columns))
            self._finish.tile()

    def _piece(self, start: Cursor, turn: Value, rows: int, columns: int) -> None:
        """The sums of `rows` by `columns` from `start` on."""
        vectors = -(-columns // self._unit.lanes)
        steps = self.stmt.k[-1][1] // self.depth
        parts = partial_sums(rows, vectors, steps)
        unrolled = max(parts, UNROLLED if steps >= UNROLLED else 1)
        walk, cursor = self.walk(start, turn, rows, unrolled)
        places = tuple(self.row_start(row) for row in range(rows))
        sums = Sums(self._unit, self.depth, places, vectors, walk, self.fn.target, parts)
        self._body.ask(rows, columns)
        emptied(self.fn.code, self.fn.target)
        self._finish.piece(sums.emit(self.fn.code, cursor), columns)


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a tile, of products that take `kr` elements of the run at a time.

    The rows of A begin `rows` bytes after the first; `vectors` of the columns of B are taken.
    Each sum is split into `parts`, which divide the steps of a round and take turns, so that small
    tiles do not wait for one addition after the other.
    """

    unit: Unit
    kr: int
    rows: tuple[int, ...]
    vectors: int
    walk: Walk
    target: Target
    parts: int = 1

    def emit(self, code: Code, start: Cursor) -> list[list[Value]]:
        """The sums by row and vector, from `start` on."""

        def add(at: Cursor, step: int, carried: Carried, *, short: bool) -> Carried:
            if step and not short:
                carried = settled(code, carried, self.target)
            parts = _parts(carried, self.parts)
            part = step % self.parts
            parts[part] = self._products(code, at, parts[part], short)
            return [total for part in parts for total in part]

        count = len(self.rows) * self.vectors
        empty = [self.unit.zero()] * (self.parts * count)
        tile = self.walk.emit(code, start, empty, add)
        while len(tile) > count:
            low, high = _parts(tile, 2)
            tile = [self.unit.add(code, *pair) for pair in zip(low, high, strict=True)]
        return _parts(tile, len(self.rows))

    def _products(self, code: Code, at: Cursor, totals: Carried, short: bool) -> Carried:
        """The totals of one part with the products of one step added."""
        unit = self.unit
        width = unit.lanes * self.kr * unit.operand.itemsize
        row_of_b = [unit.vector(code, moved(code, at[1], v * width)) for v in range(self.vectors)]
        broadcast = unit.broadcast_last if short else unit.broadcast
        found = []
        for distance, row in zip(self.rows, _parts(totals, len(self.rows)), strict=True):
            a = broadcast(code, moved(code, at[0], distance))
            found += [
                unit.multiply_add(code, total, a, b) for total, b in zip(row, row_of_b, strict=True)
            ]
        return found


def _parts(values: Carried, count: int) -> list[Carried]:
    """`values` in `count` pieces of equal length."""
    size = len(values) // count
    return [values[first : first + size] for first in range(0, len(values), size)]
