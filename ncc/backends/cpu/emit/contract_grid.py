"""The tiles of a contraction: which there are, and where the one stands whose turn it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, integer


@dataclass(frozen=True, slots=True)
class Pieces:
    """A length cut into pieces of `size`, the last of which may be shorter."""

    length: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.length // self.size)

    def each(self, code: Code, index: Value, emit: Callable[[int], None]) -> None:
        """Code for the piece at `index`: `emit(length)`, once per length that occurs."""
        full, rest = divmod(self.length, self.size)
        if not (full and rest):
            emit(min(self.length, self.size))
            return
        labels = [code.fresh(stem) for stem in ("whole", "rest", "cut")]
        code.branch_if(code.compare("icmp ult", index, integer(full)), *labels[:2])
        for label, length in zip(labels, (self.size, rest), strict=False):
            code.start(label)
            emit(length)
            code.branch(labels[2])
        code.start(labels[2])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile stands: the outer row variables, the piece of the last one, and the panel."""

    outer: tuple[Value, ...]
    rows: Value
    panel: Value


@dataclass(frozen=True, slots=True)
class Grid:
    """All tiles: `outer` row variables, `rows` of the last one, `columns`.

    Tiles are numbered so that `block` row tiles are multiplied by one panel, then by the next.
    """

    outer: tuple[int, ...]
    rows: Pieces
    columns: Pieces
    block: int

    @property
    def row_tiles(self) -> int:
        return math.prod(self.outer) * self.rows.count

    @property
    def count(self) -> int:
        return self.row_tiles * self.columns.count

    def locate(self, code: Code, number: Value) -> Place:
        """Where tile `number` stands."""
        block, inside = integer(0), number
        if self.block < self.row_tiles:
            block, inside = _divide(code, number, self.block * self.columns.count)
        panel, row_tile = self._in_block(code, block, inside)
        first = code.binary("mul nuw nsw", block, integer(self.block))
        rest, rows = _divide(code, code.binary("add nuw nsw", first, row_tile), self.rows.count)
        outer: list[Value] = []
        for extent in self.outer[:0:-1]:
            rest, index = _divide(code, rest, extent)
            outer.insert(0, index)
        return Place((rest, *outer) if self.outer else (), rows, panel)

    def _in_block(self, code: Code, block: Value, inside: Value) -> tuple[Value, Value]:
        """The panel, and the row tile counted from the first of its block."""
        full, rest = divmod(self.row_tiles, self.block)
        panel, row_tile = _divide(code, inside, self.block)
        if not rest:
            return panel, row_tile
        is_full = code.compare("icmp ult", block, integer(full))
        short_panel, short_tile = _divide(code, inside, rest)
        return code.select(is_full, panel, short_panel), code.select(is_full, row_tile, short_tile)


def _divide(code: Code, x: Value, by: int) -> tuple[Value, Value]:
    """Quotient and rest."""
    if by == 1:
        return x, integer(0)
    return code.binary("udiv", x, integer(by)), code.binary("urem", x, integer(by))
