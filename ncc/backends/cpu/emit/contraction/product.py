"""Sums in vector registers: products of broadcast rows of A with vectors of B."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Code, Value, integer, literal
from ncc.backends.cpu.emit.contraction.ahead import (
    SOON,
    SOON_NARROW,
    Ahead,
    Panels,
    panels_in_order,
)
from ncc.backends.cpu.emit.contraction.aside import Aside
from ncc.backends.cpu.emit.contraction.blocks import BlockSums
from ncc.backends.cpu.emit.contraction.body import Body, body_bytes
from ncc.backends.cpu.emit.contraction.finish import finish_for
from ncc.backends.cpu.emit.contraction.grid import Place
from ncc.backends.cpu.emit.contraction.tile import TileEmitter, row_extents
from ncc.backends.cpu.emit.contraction.unit import BlockUnit, Unit, unit_of
from ncc.backends.cpu.emit.contraction.walk import Carried, Cursor, Walk, divided, moved
from ncc.backends.cpu.emit.registers import emptied, settled
from ncc.backends.cpu.loopir.loops import Contract
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import (
    L2_BYTES,
    UNASKED,
    cut_rows,
    even_piece,
    panel_parts,
    partial_sums,
    stretches,
    tiles_aside,
)

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

UNROLLED = 4
"""Steps of a round, each of which asks for about one line of the next panel."""
LONG_SUMS = 256
"""Steps of a tile in which what was asked for arrives."""
FAR_BYTES = L2_BYTES // 2
"""Results and other operands of the body that are not in the cache when their turn comes."""
SHORTEST_PART = 128
"""Steps of a part of a run, beneath which sums are put aside too often."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Which tile of a block adds which part of its sums, and whether it is the last."""

    tile: Value
    part: Value
    is_last: Value


class VectorTiles(TileEmitter):
    """Tiles whose sums stay in vector registers; the last rows and columns take fewer.

    Where panels are long, the row tiles of a block take turns with one part of a panel, and put
    their sums aside in between.
    """

    unasked = UNASKED

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        taken = cut_rows(*row_extents(stmt), stmt.tile[0])
        super().__init__(fn, stmt, taken, depth=stmt.pack.kr)
        self._unit = unit_of(stmt, fn.target)
        self._body = Body(fn, stmt, self.taken)
        self._finish = finish_for(fn, stmt, self._unit, self.taken)
        preferred = panel_parts(self.cuts, self.grid.block, super().panels.nbytes)
        self.parts = self.cut(preferred)
        if self.parts > 1:
            vectors = stmt.tile[0] * stmt.tile[1] // self._unit.lanes
            most = tiles_aside(vectors * fn.target.vector_bits // 8)
            block = self.together_at_least(even_piece(self.grid.block, most))
            self.grid = replace(self.grid, block=block)
            self._aside = Aside(fn.code, self._unit, self.grid.block, vectors)

    @property
    def cuts(self) -> Sequence[int]:
        if isinstance(self._unit, BlockUnit):
            return (1,)
        *outer, (_, run) = self.stmt.k
        values = [1, *itertools.accumulate((extent for _, extent in outer), operator.mul)]
        most = 1 if run % self.depth else self.steps // SHORTEST_PART
        runs = [parts for parts in range(2, most + 1) if self.steps % parts == 0]
        return sorted({*values, *(values[-1] * parts for parts in runs)})

    @property
    def panels(self) -> Panels:
        whole = super().panels
        return replace(whole, count=whole.count * self.parts, nbytes=whole.nbytes // self.parts)

    def rows_ahead(self, walk: Walk, rows: int) -> Ahead | None:
        """Rows of a part lie apart, and stay for the other panels."""
        return super().rows_ahead(walk, rows) if self.parts == 1 else None

    def panels_ahead(self, walk: Walk) -> Ahead | None:
        """In order: products leave the time in which hardware joins in."""
        soon = SOON_NARROW if isinstance(self._unit, BlockUnit) else SOON
        return panels_in_order(walk, self.panels, self.l2_bytes, soon)

    @property
    def _asks(self) -> bool:
        """Whether a tile asks for what its body touches: it must be far, and the sums long."""
        steps = math.prod(extent for _, extent in self.stmt.k) // self.depth
        return steps >= LONG_SUMS and body_bytes(self.stmt) > FAR_BYTES

    def emit(self, first: Value, end: Value) -> None:
        if self.parts > 1:
            self._emit_parts(first, end)
            return
        with self.located(first, end) as (_, place, start):
            self.pieces(place, lambda rows, columns: self._piece(start, place.turn, rows, columns))
            self._finish.tile()

    def _piece(self, start: Cursor, turn: Value, rows: int, columns: int) -> None:
        """The sums of `rows` by `columns` from `start` on."""
        sums, cursor = self._sums(start, turn, rows, columns)
        if self._asks:
            self._body.ask(rows, columns)
        emptied(self.fn.code, self.fn.target)
        self._finish.piece(sums.emit(self.fn.code, cursor), columns)

    def _emit_parts(self, first: Value, end: Value) -> None:
        """The same, one part after the other of the panel of a block of row tiles."""
        code, block = self.fn.code, integer(self.grid.block)
        past = code.binary("add nuw nsw", end, integer(self.grid.block - 1))
        last = code.binary("udiv", past, block)
        with code.loop(code.binary("udiv", first, block), last) as number:
            begin = code.binary("mul nuw nsw", number, block)
            start = code.intrinsic("llvm.umax", begin, first)
            stop = code.intrinsic("llvm.umin", code.binary("add nuw nsw", begin, block), end)
            with code.loop(0, self.parts) as part, self.fn.environment.scope():
                self._emit_part(start, stop, part)

    def _emit_part(self, start: Value, stop: Value, part: Value) -> None:
        """One part of the tiles of these numbers."""
        code = self.fn.code
        is_last = code.compare("icmp eq", part, integer(self.parts - 1))
        with self.located(start, stop) as (number, place, at):
            turn = Turn(code.binary("sub nuw nsw", number, start), part, is_last)
            self.pieces(place, lambda rows, columns: self._add(at, place, turn, rows, columns))
            with self._when(is_last):
                self._finish.tile()

    def _add(self, start: Cursor, place: Place, turn: Turn, rows: int, columns: int) -> None:
        """Add one part of the run to the sums of `rows` by `columns`."""
        code = self.fn.code
        sums, cursor = self._sums(start, place.turn, rows, columns, turn.part)
        if self._asks:
            with self._when(turn.is_last):
                self._body.ask(rows, columns)
        emptied(code, self.fn.target)
        before = self._aside.take(turn.tile, rows * sums.vectors, turn.part)
        found = sums.emit(code, cursor, before)
        with self._when(code.binary("xor", turn.is_last, literal(True, "i1"))):
            self._aside.put(turn.tile, [total for row in found for total in row])
        with self._when(turn.is_last):
            self._finish.piece(found, columns)

    @contextmanager
    def _when(self, condition: Value) -> Iterator[None]:
        with self.fn.code.when(condition), self.fn.environment.scope():
            yield

    def _sums(
        self, start: Cursor, turn: Value, rows: int, columns: int, part: Value | None = None
    ) -> tuple[Sums | BlockSums, Cursor]:
        """How the sums of a tile, or a part of them, are made, and from where on."""
        vectors = -(-columns // self._unit.lanes)
        count = self._stretches(rows, vectors)
        splits = partial_sums(count * rows, vectors, self.steps)
        unrolled = max(splits, UNROLLED if self.steps >= UNROLLED else 1)
        walk = replace(self.whole_walk(unrolled), stretches=count)
        if part is not None:
            walk, start = walk.part(self.fn.code, start, part, self.parts)
        walk, cursor = self.asking(walk, start, turn, rows)
        places = tuple(self.row_start(row) for row in range(rows))
        if isinstance(self._unit, BlockUnit):
            return BlockSums(self._unit, places, vectors, walk), cursor
        return Sums(self._unit, self.depth, places, vectors, walk, self.fn.target, splits), cursor

    def _stretches(self, rows: int, vectors: int) -> int:
        """In how many stretches a tile walks a run: one where panels are read more than once.

        The runs of blocks are short.
        """
        if self.grid.row_tiles > 1 or isinstance(self._unit, BlockUnit):
            return 1
        _, b = self.streams(self.depth)
        return stretches(rows, vectors, self.steps * b.step, self.fn.target)


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a tile, of products that take `kr` elements of the run at a time.

    The rows of A begin `rows` bytes after the first; `vectors` of the columns of B are taken.
    Each sum has `splits`, which divide the steps of a round and take turns, so that small tiles do
    not wait for one addition after the other. Stretches of the walk have sums of their own.
    """

    unit: Unit
    kr: int
    rows: tuple[int, ...]
    vectors: int
    walk: Walk
    target: Target
    splits: int = 1

    def emit(self, code: Code, start: Cursor, before: Carried | None = None) -> list[list[Value]]:
        """The sums by row and vector, from `start` on, added to those of `before`."""

        def add(at: Cursor, step: int, carried: Carried, *, short: int) -> Carried:
            if step and not short:
                carried = settled(code, carried, self.target)
            splits = divided(carried, self.splits)
            split = step % self.splits
            splits[split] = self._products(code, at, splits[split], short)
            return [total for split in splits for total in split]

        count = len(self.rows) * self.vectors
        empty = [self.unit.zero()] * count
        copies = self.walk.stretches * self.splits
        tile = self.walk.emit(code, start, (before or empty) + empty * (copies - 1), add)
        while len(tile) > count:
            low, high = divided(tile, 2)
            tile = [self.unit.add(code, *pair) for pair in zip(low, high, strict=True)]
        return divided(tile, len(self.rows))

    def _products(self, code: Code, at: Cursor, totals: Carried, short: int) -> Carried:
        """The totals of one split with the products of one step added, see `Add`."""
        unit = self.unit
        width = unit.lanes * self.kr * unit.right.itemsize
        row_of_b = [unit.vector(code, moved(code, at[1], v * width)) for v in range(self.vectors)]
        found = []
        for distance, row in zip(self.rows, divided(totals, len(self.rows)), strict=True):
            here = moved(code, at[0], distance)
            a = unit.broadcast_last(code, here, short) if short else unit.broadcast(code, here)
            found += [
                unit.multiply_add(code, total, a, b) for total, b in zip(row, row_of_b, strict=True)
            ]
        return found
