"""Sums of bf16 products in the matrix registers of AMX.

A matrix register holds 16 rows of 64 bytes. One instruction adds to 16 x 16 sums the products of
16 rows of A, 32 elements each, with 16 columns of B, whose pairs of elements lie beside each other
as in panels of kr = 2. Two registers of A and two of B make a tile of 32 x 32.

What a register holds is fixed once for all tiles of a contraction, so the last tile of rows
starts early and computes some rows again; their sums are dropped. For the same reason steps along
the run are alike; elements that do not fill one are multiplied in vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer, literal
from ncc.backends.cpu.emit.contract_finish import Finish, OnStack
from ncc.backends.cpu.emit.contract_product import Sums
from ncc.backends.cpu.emit.contract_tile import TileEmitter, row_extents
from ncc.backends.cpu.emit.contract_unit import unit_for
from ncc.backends.cpu.emit.contract_walk import Carried, Cursor, Walk, moved
from ncc.backends.cpu.loops import Contract, TileOrder
from ncc.backends.cpu.matrix import COLUMNS, L2_BYTES, TURNS, matrix_depth, matrix_rows, run_parts
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import LINE, cut_rows
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

ROW_BYTES = 64
SHORTEST_PART = 4
"""Steps of a part of the run, beneath which sums are put aside more often than added to."""
SUMS, A, B = (0, 1, 2, 3), (4, 5), (6, 7)
"""The numbers of the registers; sums of rows i and columns j are in number 2 * i + j."""


def fits_matrix(stmt: Contract, target: Target) -> bool:
    """Whether the sums of `stmt` can be made in matrix registers."""
    return (
        target.has_matrix_registers
        and stmt.a.dtype is DType.bf16
        and stmt.pack.kr == 2
        and matrix_depth(stmt.k[-1][1]) is not None
        and matrix_rows(*row_extents(stmt)) is not None
    )


def configuration(shapes: Sequence[tuple[int, int]]) -> bytes:
    """The operand of LDTILECFG that gives each register its rows and bytes a row (palette 1)."""
    data = bytearray(64)
    data[0] = 1
    for number, (rows, width) in enumerate(shapes):
        if rows:
            data[16 + 2 * number] = width
            data[48 + number] = rows
    return bytes(data)


class MatrixTiles(TileEmitter):
    """Tiles of up to 32 x 32 sums in four registers, two of the columns of a panel at a time."""

    l2_bytes = L2_BYTES

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        depth, split = matrix_depth(stmt.k[-1][1]), matrix_rows(*row_extents(stmt))
        assert depth is not None, "runs are long enough"
        assert split is not None, "there are rows enough"
        self._split = split
        self._rest = stmt.k[-1][1] % depth
        super().__init__(fn, stmt, cut_rows(*row_extents(stmt), sum(split)), depth)
        self._unit = unit_for(stmt.a.dtype, stmt.pack.kr, fn.target)
        *outer, (_, run) = stmt.k
        self._axes = tuple(extent for _, extent in outer)
        self._steps = run // depth
        self._parts = self._cut()
        self._finish = OnStack(
            fn, stmt, self._unit, self.taken, tiles=TURNS if self._parts else 1, at_end=True
        )

    def _cut(self) -> int | None:
        """Into how many parts the run is cut, if it is."""
        if self.stmt.order is None:
            return None if self._axes else run_parts(self._steps, self.grid.block)
        parts = self.stmt.order.parts
        assert parts in self.cuts, f"no equal parts: {parts} of {self._steps} steps"
        return parts if parts > 1 else None

    @property
    def order(self) -> TileOrder:
        return replace(super().order, parts=self._parts or 1)

    @property
    def cuts(self) -> Sequence[int]:
        if self._axes:
            return (1,)
        most = max(1, self._steps // SHORTEST_PART)
        return [parts for parts in range(1, most + 1) if self._steps % parts == 0]

    @property
    def finish(self) -> Finish:
        return self._finish

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The registers have their shapes, and are given back afterwards."""
        code = self.fn.code
        shapes = [(self._split[number // 2], ROW_BYTES) for number in SUMS]
        shapes += [(rows, 2 * self.depth) for rows in self._split]
        shapes += [(self.depth // 2, ROW_BYTES)] * len(B)
        name = "@matrix." + "_".join(map(str, (*self._split, self.depth)))
        text = "".join(f"\\{byte:02X}" for byte in configuration(shapes))
        code.define(f'{name} = private constant [64 x i8] c"{text}", align 64')
        code.run("llvm.x86.ldtilecfg", Value(name, "ptr"))
        yield
        code.run("llvm.x86.tilerelease")

    def emit(self, first: Value, end: Value) -> None:
        if self._parts is None:
            super().emit(first, end)
            return
        code = self.fn.code
        with code.loop(first, end, TURNS) as start, self.fn.environment.scope():
            following = code.binary("add nuw nsw", start, integer(TURNS))
            stop = code.intrinsic("llvm.umin", following, end)
            with code.loop(0, self._parts) as part:
                self._add_part(start, stop, part)
            with self.located(start, stop) as (number, place, at):
                self._finish.select(code.binary("sub nuw nsw", number, start))
                if self._rest:
                    self.pieces(place, lambda rows, columns: self._add_rests(at, rows, columns))
                self.finish.tile()

    def _add_part(self, start: Value, stop: Value, part: Value | None) -> None:
        """Add one part of the run to the sums of all tiles from number `start` on."""
        with self.located(start, stop) as (number, place, at):
            self._finish.select(self.fn.code.binary("sub nuw nsw", number, start))
            self.pieces(
                place,
                lambda rows, columns: self._multiply(at, place.turn, rows, columns, part),
            )

    def piece(self, start: Cursor, turn: Value, rows: int, columns: int) -> None:
        self._multiply(start, turn, rows, columns, None)
        if self._rest:
            self._add_rests(start, rows, columns)

    def _multiply(
        self, start: Cursor, turn: Value, rows: int, columns: int, part: Value | None
    ) -> None:
        """Put on the stack what whole steps add to the sums, or that part of it."""
        halves, (a, b) = self._halves(start, rows)
        tiles = -(-columns // COLUMNS)
        for first in range(0, tiles, len(B)):
            group = range(first, min(first + len(B), tiles))
            places = {
                SUMS[2 * half + column - first]: self._finish.place(
                    half * self._split[0], column * COLUMNS
                )
                for half in halves
                for column in group
            }
            self._begin(places, part)
            here = (a, moved(self.fn.code, b, first * LINE))
            self._sums(here, turn, halves, len(group), part)
            for number, place in places.items():
                self._move("llvm.x86.tilestored64", number, place, self.stmt.pack.nr * 4)

    def _halves(self, start: Cursor, rows: int) -> tuple[range, Cursor]:
        """The registers of A that `rows` rows need, and where the operands start.

        A tile with fewer rows than others starts early.
        """
        early = sum(self._split) - rows if self.taken.whole == 1 else 0
        halves = range(2 if self._split[0] < rows + early else 1)
        return halves, (moved(self.fn.code, start[0], -self.row_start(early)), start[1])

    def _begin(self, places: dict[int, Value], part: Value | None) -> None:
        """Empty sums at the first part of the run, else those put aside after the one before."""
        code = self.fn.code
        if part is None:
            for number in places:
                self._instruct("llvm.x86.tilezero", number)
            return
        empty, aside, done = (code.fresh(stem) for stem in ("empty", "aside", "begun"))
        code.branch_if(code.compare("icmp eq", part, integer(0)), empty, aside)
        code.start(empty)
        self._begin(places, None)
        code.branch(done)
        code.start(aside)
        for number, place in places.items():
            self._move("llvm.x86.tileloadd64", number, place, self.stmt.pack.nr * 4)
        code.branch(done)
        code.start(done)

    def _add_rests(self, start: Cursor, rows: int, columns: int) -> None:
        """Add to the sums on the stack what no step takes of the run."""
        halves, cursor = self._halves(start, rows)
        for half in halves:
            self._add_rest(cursor, half, columns)

    def _add_rest(self, start: Cursor, half: int, columns: int) -> None:
        """The same for the rows of one register."""
        code, unit, kr = self.fn.code, self._unit, self.stmt.pack.kr
        streams = self.streams(kr)
        taken = self.stmt.k[-1][1] // self.depth * self.depth // kr
        walk = Walk(
            axes=self._axes,
            steps=self._rest // kr,
            streams=streams,
            short=self._rest % kr > 0,
        )
        a, b = (
            moved(code, at, taken * stream.step) for at, stream in zip(start, streams, strict=True)
        )
        vectors = -(-columns // unit.lanes)
        with code.loop(0, self._split[half]) as row:
            down = code.binary(
                "mul nsw", row, integer(self.stride(self.stmt.a, self.stmt.m[-1][0]))
            )
            here = moved(code, moved(code, a, self.row_start(half * self._split[0])), down)
            (sums,) = Sums(unit, kr, (0,), vectors, walk).emit(code, (here, b))
            place = code.binary("add nsw", row, integer(half * self._split[0]))
            for vector, total in enumerate(sums):
                at = self._finish.place(place, vector * unit.lanes)
                before = code.load(at, unit.sum, unit.lanes)
                code.store(unit.add(code, before, total), at)

    def _sums(
        self,
        start: Cursor,
        turn: Value,
        halves: Sequence[int],
        columns: int,
        part: Value | None,
    ) -> None:
        """Add products of some halves of the rows by one or two registers of columns."""
        row = self.stride(self.stmt.a, self.stmt.m[-1][0])

        def add(at: Cursor, step: int, carried: Carried, *, short: bool) -> Carried:
            assert not short, "all steps are alike"
            for column in range(columns):
                here = moved(self.fn.code, at[1], column * LINE)
                self._move("llvm.x86.tileloadd64", B[column], here, self.stmt.pack.nr * 4)
            for half in halves:
                here = moved(self.fn.code, at[0], self.row_start(half * self._split[0]))
                self._move("llvm.x86.tileloadd64", A[half], here, row)
                for column in range(columns):
                    self._instruct(
                        "llvm.x86.tdpbf16ps", SUMS[2 * half + column], A[half], B[column]
                    )
            return carried

        walk, cursor = self.walk(start, turn, sum(self._split))
        walk = replace(walk, short=False)
        if part is not None and self._parts is not None:
            walk, cursor = walk.part(self.fn.code, cursor, part, self._parts)
        walk.emit(self.fn.code, cursor, [], add)

    def _move(self, name: str, register: int, pointer: Value, stride: int) -> None:
        """Load or store a register whose rows are `stride` bytes apart in memory."""
        self.fn.code.run(name, literal(register, "i8"), pointer, integer(stride))

    def _instruct(self, name: str, *registers: int) -> None:
        self.fn.code.run(name, *(literal(register, "i8") for register in registers))
