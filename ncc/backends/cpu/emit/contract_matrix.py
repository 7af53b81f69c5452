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
from ncc.backends.cpu.loops import Contract
from ncc.backends.cpu.matrix import COLUMNS, matrix_depth, matrix_rows
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import LINE, cut_rows
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

ROW_BYTES = 64
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

    def __init__(self, fn: FunctionEmitter, stmt: Contract) -> None:
        depth, split = matrix_depth(stmt.k[-1][1]), matrix_rows(*row_extents(stmt))
        assert depth is not None, "runs are long enough"
        assert split is not None, "there are rows enough"
        self._split = split
        self._rest = stmt.k[-1][1] % depth
        super().__init__(fn, stmt, cut_rows(*row_extents(stmt), sum(split)), depth)
        self._unit = unit_for(stmt.a.dtype, stmt.pack.kr, fn.target)
        self._finish = OnStack(fn, stmt, self._unit, self.taken, spare=sum(split))

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

    def piece(self, start: Cursor, turn: Value, rows: int, columns: int) -> None:
        early = sum(self._split) - rows if self.taken.whole == 1 else 0
        halves = range(2 if self._split[0] < rows + early else 1)
        a, b = start
        a = moved(self.fn.code, a, -self.row_start(early))
        tiles = -(-columns // COLUMNS)
        for first in range(0, tiles, len(B)):
            group = range(first, min(first + len(B), tiles))
            self._sums((a, moved(self.fn.code, b, first * LINE)), turn, halves, len(group))
            for half in halves:
                for column in group:
                    place = self._finish.place(half * self._split[0] - early, column * COLUMNS)
                    number = SUMS[2 * half + column - first]
                    self._move("llvm.x86.tilestored64", number, place, self.stmt.pack.nr * 4)
        if self._rest:
            for half in halves:
                self._add_rest((a, b), half, half * self._split[0] - early, columns)

    def _add_rest(self, start: Cursor, half: int, first: int, columns: int) -> None:
        """Add to the sums on the stack, from row `first` on, what no step takes of the run."""
        code, unit, kr = self.fn.code, self._unit, self.stmt.pack.kr
        streams = self.streams(kr)
        taken = self.stmt.k[-1][1] // self.depth * self.depth // kr
        walk = Walk(
            axes=tuple(extent for _, extent in self.stmt.k[:-1]),
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
            place = code.binary("add nsw", row, integer(first))
            for vector, total in enumerate(sums):
                at = self._finish.place(place, vector * unit.lanes)
                before = code.load(at, unit.sum, unit.lanes)
                code.store(unit.add(code, before, total), at)

    def _sums(self, start: Cursor, turn: Value, halves: Sequence[int], columns: int) -> None:
        """The sums of some halves of the rows by one or two registers of columns."""
        used = [(half, column) for half in halves for column in range(columns)]
        for half, column in used:
            self._instruct("llvm.x86.tilezero", SUMS[2 * half + column])
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
        replace(walk, short=False).emit(self.fn.code, cursor, [], add)

    def _move(self, name: str, register: int, pointer: Value, stride: int) -> None:
        """Load or store a register whose rows are `stride` bytes apart in memory."""
        self.fn.code.run(name, literal(register, "i8"), pointer, integer(stride))

    def _instruct(self, name: str, *registers: int) -> None:
        self.fn.code.run(name, *(literal(register, "i8") for register in registers))
