"""Sums of products with integers in blocks: each block is summed, then multiplied by its scales."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value
from ncc.backends.cpu.emit.contraction.unit import BlockUnit
from ncc.backends.cpu.emit.contraction.walk import Carried, Cursor, Walk, moved, repeat
from ncc.backends.cpu.loopir.panels import WORD_BITS

WORD_BYTES = WORD_BITS // 8


@dataclass(frozen=True, slots=True)
class BlockSums:
    """The sums of a tile whose outer variable counts blocks, laid out as `BlockPack` says.

    The rows of A begin `rows` bytes after the first; `vectors` of the columns of B are taken.
    """

    unit: BlockUnit
    rows: tuple[int, ...]
    vectors: int
    walk: Walk

    def emit(self, code: Code, start: Cursor, before: Carried | None = None) -> list[list[Value]]:
        """The sums by row and vector, from `start` on."""
        assert before is None, "sums of blocks are made in one go"
        (blocks,) = self.walk.axes
        count = len(self.rows) * self.vectors
        empty = [self.unit.zero()] * count

        def add(index: Value, totals: Carried) -> Carried:
            walk, cursor = self.walk.part(code, start, index, blocks)
            return self._block(code, walk, cursor, totals)

        totals = repeat(code, blocks, empty, add)
        return [totals[first : first + self.vectors] for first in range(0, count, self.vectors)]

    def _block(self, code: Code, walk: Walk, start: Cursor, totals: Carried) -> Carried:
        """The totals with what one block adds."""
        a, b, *ahead = start
        units = self.unit.pack.units
        scales, *points = (self._unit(code, b, number) for number in range(units))
        first = (a, moved(code, b, units * self._row_bytes), *ahead)

        def add(at: Cursor, step: int, carried: Carried, *, short: int) -> Carried:
            assert not short, "blocks are whole words"
            return self._products(code, at, carried, points)

        sums = walk.emit(code, first, [self.unit.zero()] * len(totals), add)
        pairs = zip(sums, scales * len(self.rows), totals, strict=True)
        return [code.intrinsic("llvm.fma", x, scale, total) for x, scale, total in pairs]

    def _unit(self, code: Code, block: Value, number: int) -> list[Value]:
        """A row of scales or zero points of the block that starts there."""
        row = moved(code, block, number * self._row_bytes)
        return [code.load(pointer, "float", self.unit.lanes) for pointer in self._row(code, row)]

    @property
    def _row_bytes(self) -> int:
        return self.unit.pack.row * WORD_BYTES

    def _row(self, code: Code, row: Value) -> Iterator[Value]:
        """Where the vectors of a row of a block are."""
        for vector in range(self.vectors):
            yield moved(code, row, vector * self.unit.lanes * WORD_BYTES)

    def _products(
        self, code: Code, at: Cursor, sums: Carried, points: list[list[Value]]
    ) -> Carried:
        """The sums with the products of all places of a row of words."""
        unit = self.unit
        words = [unit.vector(code, pointer) for pointer in self._row(code, at[1])]
        for place in range(unit.pack.kr):
            factors = [unit.factor(code, word, place) for word in words]
            for row in points:
                pairs = zip(factors, row, strict=True)
                factors = [code.binary("fsub", factor, point) for factor, point in pairs]
            here = moved(code, at[0], place * unit.operand.itemsize)
            a = [unit.broadcast(code, moved(code, here, distance)) for distance in self.rows]
            products = zip(sums, itertools.product(a, factors), strict=True)
            sums = [unit.multiply_add(code, total, *pair) for total, pair in products]
        return sums
