"""Sums of products of bf16, or of integers of 8 bits, in the matrix registers of AMX.

A matrix register holds 16 rows of 64 bytes. One instruction adds to 16 x 16 sums the products of
16 rows of A, 32 or 64 elements each, with 16 columns of B, of which as many elements as fill 32
bits lie beside each other, as in panels of kr = 2 or 4. Two registers of A and two of B make a
tile of 32 x 32.

What a register holds is fixed once for all tiles of a contraction, so the last tile of rows
starts early and computes some rows again; their sums are dropped. For the same reason steps along
the run are alike; elements that do not fill one are multiplied in vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer, literal
from ncc.backends.cpu.emit.contraction.beside import Beside
from ncc.backends.cpu.emit.contraction.finish import OnStack
from ncc.backends.cpu.emit.contraction.product import Sums
from ncc.backends.cpu.emit.contraction.tile import TileEmitter, row_extents
from ncc.backends.cpu.emit.contraction.unit import unit_of
from ncc.backends.cpu.emit.contraction.walk import Carried, Cursor, Walk, moved
from ncc.backends.cpu.emit.registers import keep_awake
from ncc.backends.cpu.loopir.loops import Contract
from ncc.backends.cpu.matrix import COLUMNS, L2_BYTES, matrix_depth, matrix_rows, run_parts
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import LINE, cut_rows, even_piece, tiles_aside

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

ROW_BYTES = 64
SUM_BYTES = 4
SHORTEST_PART = 4
"""Steps of a part of the run, beneath which sums are put aside more often than added to."""
SUMS, A, B = (0, 1, 2, 3), (4, 5), (6, 7)
"""The numbers of the registers; sums of rows i and columns j are in number 2 * i + j."""


def fits_matrix(stmt: Contract, target: Target) -> bool:
    """Whether the sums of `stmt` can be made in matrix registers."""
    return (
        target.has_matrix_registers
        and unit_of(stmt, target).matrix is not None
        and stmt.pack.nr <= len(B) * COLUMNS
        and matrix_depth(stmt.k[-1][1], stmt.pack.kr) is not None
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the run for a tile: where its operands start, and what is finished beside it.

    `turn` is that of the tile, see `Place`; `part` the number of the part.
    """

    start: Cursor
    turn: Value
    part: Value
    beside: Beside


class MatrixTiles(TileEmitter):
    """Tiles of up to 32 x 32 sums in four registers.

    Sums are put on the stack, and a tile is finished while the next one is multiplied: matrix
    and vector registers have units of their own, which would wait for each other in turns.
    """

    l2_bytes = L2_BYTES
    unasked = 1.0
    """Products wait less for panels than vectors do: each of their loads is of many lines."""

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        depth = matrix_depth(stmt.k[-1][1], stmt.pack.kr)
        split = matrix_rows(*row_extents(stmt))
        assert depth is not None, "runs are long enough"
        assert split is not None, "there are rows enough"
        self._split = split
        self._rest = stmt.k[-1][1] % depth
        super().__init__(fn, stmt, cut_rows(*row_extents(stmt), sum(split)), depth)
        self._unit = unit_of(stmt, fn.target)
        self._axes = tuple(extent for _, extent in stmt.k[:-1])
        preferred = None if self._axes else run_parts(self.steps, self.grid.block)
        self.parts = self.cut(preferred or 1)
        self._finish = OnStack(fn, stmt, self._unit, self.taken, tiles=self._turns, at_end=True)

    @property
    def _turns(self) -> int:
        """How many tiles have room for their sums: all that take turns with a part of the run.

        Those are the tiles of a block, so that each part of a panel comes once, or an even piece.
        """
        if self.parts == 1:
            return 2
        tile_bytes = sum(self._split) * self.stmt.pack.nr * SUM_BYTES
        return max(2, even_piece(self.grid.block, tiles_aside(tile_bytes)))

    @property
    def cuts(self) -> Sequence[int]:
        if self._axes:
            return (1,)
        most = max(1, self.steps // SHORTEST_PART)
        return [parts for parts in range(1, most + 1) if self.steps % parts == 0]

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The registers have their shapes, and are given back afterwards."""
        code = self.fn.code
        shapes = [(self._split[number // 2], ROW_BYTES) for number in SUMS]
        width = self.depth * self.stmt.a.dtype.itemsize
        shapes += [(rows, width) for rows in self._split]
        shapes += [(self.depth // self.stmt.pack.kr, ROW_BYTES)] * len(B)
        name = "@matrix." + "_".join(map(str, (*self._split, width)))
        text = "".join(f"\\{byte:02X}" for byte in configuration(shapes))
        code.define(f'{name} = private constant [64 x i8] c"{text}", align 64')
        code.run("llvm.x86.ldtilecfg", Value(name, "ptr"))
        yield
        code.run("llvm.x86.tilerelease")

    def emit(self, first: Value, end: Value) -> None:
        code = self.fn.code
        with code.loop(first, end, self._turns) as start, self.fn.environment.scope():
            following = code.binary("add nuw nsw", start, integer(self._turns))
            stop = code.intrinsic("llvm.umin", following, end)
            with self._each_part() as part, self.located(start, stop) as (number, place, at):
                turn = code.binary("sub nuw nsw", number, start)
                with self._before(first, number, turn, part) as beside:
                    self._finish.select(turn)
                    stretch = Stretch(at, place.turn, part, beside)
                    self.pieces(place, lambda rows, columns: self._add(stretch, rows, columns))
        last = code.binary("sub nuw nsw", end, integer(1))
        count = code.binary("sub nuw nsw", last, first)
        with self.at(last):
            self._finish.select(code.binary("urem", count, integer(self._turns)))
            self._finish.tile()

    @contextmanager
    def _each_part(self) -> Iterator[Value]:
        """A loop over the parts of the run; yields the number of one."""
        if self.parts == 1:
            yield integer(0)
            return
        with self.fn.code.loop(0, self.parts) as part, self.fn.environment.scope():
            yield part

    @contextmanager
    def _before(self, first: Value, number: Value, turn: Value, part: Value) -> Iterator[Beside]:
        """What is finished beside part `part` of tile `number`: the tile before, if it is summed.

        That tile is bound and selected.
        """
        code = self.fn.code
        leads = code.compare("icmp eq", turn, integer(0))
        starts = code.compare("icmp eq", part, integer(0))
        starts_later = code.binary("and", starts, code.compare("icmp ugt", number, first))
        ends = code.compare("icmp eq", part, integer(self.parts - 1))
        is_summed = code.select(leads, starts_later, ends)
        number_before = code.intrinsic("llvm.usub.sat", number, integer(1))
        turn_before = code.binary("add nuw nsw", turn, integer(self._turns - 1))
        with self.at(number_before):
            self._finish.select(code.binary("urem", turn_before, integer(self._turns)))
            yield Beside(self.fn, self._finish, self._part_steps, is_summed)

    @property
    def _part_steps(self) -> int:
        return math.prod(self._axes) * self.steps // self.parts

    def _add(self, stretch: Stretch, rows: int, columns: int) -> None:
        """Add one part of the run to the sums on the stack."""
        code = self.fn.code
        halves, (a, b) = self._halves(stretch.start, rows)
        registers = -(-columns // COLUMNS)
        places = {
            SUMS[2 * half + column]: self._finish.place(half * self._split[0], column * COLUMNS)
            for half in halves
            for column in range(registers)
        }
        self._begin(places, stretch.part)
        self._sums(replace(stretch, start=(a, b)), halves, registers)
        for number, place in places.items():
            self._move("llvm.x86.tilestored64", number, place, self.stmt.pack.nr * 4)
        if self._rest:
            with code.when(code.compare("icmp eq", stretch.part, integer(self.parts - 1))):
                self._add_rests(stretch.start, rows, columns)

    def _halves(self, start: Cursor, rows: int) -> tuple[range, Cursor]:
        """The registers of A that `rows` rows need, and where the operands start.

        A tile with fewer rows than others starts early.
        """
        early = sum(self._split) - rows if self.taken.whole == 1 else 0
        halves = range(2 if self._split[0] < rows + early else 1)
        return halves, (moved(self.fn.code, start[0], -self.row_start(early)), start[1])

    def _begin(self, places: dict[int, Value], part: Value) -> None:
        """Empty sums at the first part of the run, else those put aside after the one before."""
        code = self.fn.code
        empty, aside, done = (code.fresh(stem) for stem in ("empty", "aside", "begun"))
        code.branch_if(code.compare("icmp eq", part, integer(0)), empty, aside)
        code.start(empty)
        for number in places:
            self._instruct("llvm.x86.tilezero", number)
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
            short=self._rest % kr,
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
            (sums,) = Sums(unit, kr, (0,), vectors, walk, self.fn.target).emit(code, (here, b))
            place = code.binary("add nsw", row, integer(half * self._split[0]))
            for vector, total in enumerate(sums):
                at = self._finish.place(place, vector * unit.lanes)
                before = code.load(at, unit.sum, unit.lanes)
                code.store(unit.add(code, before, total), at)

    def _sums(self, stretch: Stretch, halves: Sequence[int], columns: int) -> None:
        """Add products of some halves of the rows by one or two registers of columns.

        Products by the same columns follow each other: it takes 16 cycles to change to others.
        """
        row = self.stride(self.stmt.a, self.stmt.m[-1][0])
        multiply = self._unit.matrix
        assert multiply is not None, "matrix registers make these products"

        def add(at: Cursor, step: int, carried: Carried, *, short: int) -> Carried:
            assert not short, "all steps are alike"
            for column in range(columns):
                here = moved(self.fn.code, at[1], column * LINE)
                self._move("llvm.x86.tileloadd64", B[column], here, self.stmt.pack.nr * 4)
            for half in halves:
                here = moved(self.fn.code, at[0], self.row_start(half * self._split[0]))
                self._move("llvm.x86.tileloadd64", A[half], here, row)
            for column in range(columns):
                for half in halves:
                    self._instruct(multiply, SUMS[2 * half + column], A[half], B[column])
            keep_awake(self.fn.code, self._unit.lanes)
            return stretch.beside.step(carried)

        walk, cursor = self.walk(stretch.start, stretch.turn, sum(self._split))
        walk = replace(walk, short=0)
        if self.parts > 1:
            walk, cursor = walk.part(self.fn.code, cursor, stretch.part, self.parts)
        walk.emit(self.fn.code, cursor, stretch.beside.start(), add)

    def _move(self, name: str, register: int, pointer: Value, stride: int) -> None:
        """Load or store a register whose rows are `stride` bytes apart in memory."""
        self.fn.code.run(name, literal(register, "i8"), pointer, integer(stride))

    def _instruct(self, name: str, *registers: int) -> None:
        self.fn.code.run(name, *(literal(register, "i8") for register in registers))
