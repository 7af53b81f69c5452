"""One tile of a contraction: where its operands are, and which lengths of it have code."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contraction.ahead import Ahead, Panels, panels_ahead, rows_ahead
from ncc.backends.cpu.emit.contraction.body import body_bytes
from ncc.backends.cpu.emit.contraction.grid import Grid, Place, for_each_length
from ncc.backends.cpu.emit.contraction.walk import Cursor, Stream, Walk, moved
from ncc.backends.cpu.loopir.affine import Window, slope
from ncc.backends.cpu.loopir.loops import Contract, Load, TileOrder, Var
from ncc.backends.cpu.tiles import L2_BYTES, OTHERS, Pieces, RowCut, block_tiles

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def row_extents(stmt: Contract) -> tuple[int, int]:
    """The extents of the last row variable and of the one around it, if any."""
    extents = [1, *(extent for _, extent in stmt.m)]
    return extents[-1], extents[-2]


def _read_bytes(stmt: Contract) -> int:
    """At most so much of A is read: less than all of it by wide steps, or by one of a batch."""
    read = math.prod(extent for _, extent in (*stmt.m, *stmt.k))
    return min(stmt.a.buffer.size, read) * stmt.a.dtype.itemsize


class TileEmitter(ABC):
    """Emits the tiles of `grid`; subclasses say how sums are made of one step along k.

    A step takes `depth` elements of the run.
    """

    l2_bytes = L2_BYTES
    """What of the second-level cache is for operands."""
    unasked = 0.0
    """What it costs more to wait for a byte of panels, see `block_tiles`."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract, taken: RowCut, depth: int) -> None:
        self.fn = fn
        self.stmt = stmt
        self.taken = taken
        self.depth = depth
        self._panel_bytes = stmt.pack.panel * stmt.b.dtype.itemsize
        self._a_bytes = _read_bytes(stmt)
        outer = tuple(extent for _, extent in stmt.m)[: -1 if taken.whole == 1 else -2]
        grid = Grid(outer, taken.pieces, Pieces(stmt.columns, stmt.pack.nr))
        self.together = grid.rows.count if stmt.in_order and taken.whole == 1 else 1
        """Row tiles that follow each other on one core: those of a row, if it takes several."""
        self.grid = replace(grid, block=self.together_at_least(self._block(grid)))
        self.parts = 1
        """Into how many parts the run is cut; subclasses that cut it say."""

    def _block(self, grid: Grid) -> int:
        if self.stmt.order is not None:
            return min(self.stmt.order.block, grid.row_tiles)
        return block_tiles(
            grid.row_tiles,
            grid.columns.count,
            self._a_bytes,
            self._panel_bytes,
            body_bytes(self.stmt),
            self.l2_bytes,
            OTHERS if self.stmt.parallel else 0.0,
            self.unasked,
        )

    def together_at_least(self, count: int) -> int:
        """The fewest row tiles, `count` or more, that break up none that stay together."""
        return -(-count // self.together) * self.together

    @property
    def order(self) -> TileOrder:
        """The order of the tiles, whoever chose it."""
        return TileOrder(self.grid.block, self.parts)

    @property
    def steps(self) -> int:
        """Whole steps of a run."""
        return self.stmt.k[-1][1] // self.depth

    def cut(self, preferred: int) -> int:
        """Into how many parts to cut the run: as the contraction says, else as preferred."""
        if self.stmt.order is None:
            return preferred
        parts = self.stmt.order.parts
        assert parts in self.cuts, f"no equal parts: {parts} of {self.steps} steps"
        return parts

    @property
    def cuts(self) -> Sequence[int]:
        """Into how many equal parts the run may be cut."""
        return (1,)

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """What must hold on a core while it computes tiles."""
        yield

    @abstractmethod
    def emit(self, first: Value, end: Value) -> None:
        """The tiles of these numbers, of which there is one at least."""

    @contextmanager
    def located(self, first: Value, end: Value) -> Iterator[tuple[Value, Place, Cursor]]:
        """A loop over tiles, the variables of rows and columns bound to the first of each.

        Yields the number of a tile, its place and where its operands start.
        """
        with self.fn.code.loop(first, end) as number, self.at(number) as place:
            yield number, place, self._operands(place.panel)

    @contextmanager
    def at(self, number: Value) -> Iterator[Place]:
        """The variables of rows and columns are bound to the first of tile `number`."""
        code, stmt, grid = self.fn.code, self.stmt, self.grid
        with ExitStack() as stack:
            stack.enter_context(self.fn.environment.scope())
            place = grid.locate(code, number)
            row = code.binary("mul nuw nsw", place.rows, integer(grid.rows.size))
            column = code.binary("mul nuw nsw", place.panel, integer(stmt.pack.nr))
            values = (*place.outer, row, *([integer(0)] if self.taken.whole > 1 else []))
            for (var, _), value in zip(stmt.m, values, strict=True):
                stack.enter_context(self.fn.bound(var, value))
            stack.enter_context(self.fn.bound(stmt.n, column))
            yield place

    def pieces(self, place: Place, emit: Callable[[int, int], None]) -> None:
        """Code for a tile of every size that occurs: `emit(rows, columns)`."""

        def emit_piece(rows: int, columns: int) -> None:
            with self.fn.environment.scope():
                emit(rows * self.taken.whole, columns)

        for_each_length(
            self.fn.code,
            self.grid.rows,
            place.rows,
            lambda rows: for_each_length(
                self.fn.code,
                self.grid.columns,
                place.panel,
                lambda columns: emit_piece(rows, columns),
            ),
        )

    def _operands(self, panel: Value) -> Cursor:
        """Where the first elements of A and B are."""
        fn, stmt = self.fn, self.stmt
        with ExitStack() as stack:
            for var, _ in stmt.k:
                stack.enter_context(fn.bound(var, 0))
            a, b = (fn.memory.address(x.buffer, fn.index.form(x.index)) for x in (stmt.a, stmt.b))
        skipped = fn.code.binary("mul nuw nsw", panel, integer(self._panel_bytes))
        return a, moved(fn.code, b, skipped)

    def stride(self, operand: Load, var: Var) -> int:
        """Bytes between the elements for neighbouring values of `var`."""
        window = Window(var, self.fn.indices.extents[var], 0)
        step = slope(
            self.fn.index.form(operand.index),
            window,
            lambda expr: var in self.fn.environment.reads(expr),
        )
        assert step is not None, f"an operand is not affine in {var.name}"
        return step * operand.dtype.itemsize

    def row_start(self, row: int) -> int:
        """How many bytes after the first row of a tile another one begins."""
        a, m, whole = self.stmt.a, self.stmt.m, self.taken.whole
        if whole == 1:
            return row * self.stride(a, m[-1][0])
        outer, inner = divmod(row, whole)
        return outer * self.stride(a, m[-2][0]) + inner * self.stride(a, m[-1][0])

    def streams(self, depth: int) -> tuple[Stream, Stream]:
        """How pointers into A and B move, with steps of `depth` elements of the run."""
        stmt = self.stmt
        a, b = (
            Stream(
                tuple(self.stride(operand, var) for var, _ in stmt.k[:-1]),
                elements * operand.dtype.itemsize,
            )
            for operand, elements in (
                (stmt.a, depth),
                (stmt.b, depth // stmt.pack.kr * stmt.pack.row),
            )
        )
        return a, b

    def walk(self, start: Cursor, turn: Value, rows: int) -> tuple[Walk, Cursor]:
        """The steps of the sums of `rows` rows, and where their pointers start."""
        return self.asking(self.whole_walk(), start, turn, rows)

    def whole_walk(self, unrolled: int = 1) -> Walk:
        """The steps of the sums, which ask for nothing."""
        steps, short = divmod(self.stmt.k[-1][1], self.depth)
        return Walk(
            axes=tuple(extent for _, extent in self.stmt.k[:-1]),
            steps=steps,
            streams=self.streams(self.depth),
            unrolled=unrolled,
            short=short,
        )

    def asking(self, walk: Walk, start: Cursor, turn: Value, rows: int) -> tuple[Walk, Cursor]:
        """The same walk for `rows` rows, which asks for what is read soon, and its pointers."""
        panels = None if self.stmt.warm else self.panels_ahead(walk)
        ahead = self.rows_ahead(walk, rows), panels
        pairs = [(at, one) for at, one in zip(start, ahead, strict=True) if one is not None]
        streams = (*walk.streams, *(one.stream for _, one in pairs))
        cursor = (*start, *(self._start_ahead(at, one, turn) for at, one in pairs))
        return replace(walk, streams=streams), cursor

    def rows_ahead(self, walk: Walk, rows: int) -> Ahead | None:
        """How the next rows are asked for, by a tile of `rows` rows.

        They are not where most of what lies between is for others, as with groups of channels.
        """
        tile_bytes = self.row_start(rows)
        if tile_bytes > 2 * rows * self.stmt.k[-1][1] * self.stmt.a.dtype.itemsize:
            return None
        a, _ = walk.streams
        return rows_ahead(a, tile_bytes, walk.rounds, walk.unrolled, self._a_bytes, self.l2_bytes)

    def panels_ahead(self, walk: Walk) -> Ahead | None:
        """How the next panels are asked for."""
        return panels_ahead(walk.streams[1], self.panels, walk.unrolled, self.l2_bytes)

    @property
    def panels(self) -> Panels:
        """What of B a block of row tiles uses before what follows it in memory."""
        grid = self.grid
        return Panels(grid.columns.count, self._panel_bytes, grid.block, grid.blocks.count)

    def _start_ahead(self, operand: Value, ahead: Ahead, turn: Value) -> Value:
        code = self.fn.code
        which = code.binary("urem", turn, integer(ahead.turns))
        shift = code.binary("mul nuw nsw", which, integer(ahead.shift))
        return moved(code, moved(code, operand, shift), ahead.distance)
