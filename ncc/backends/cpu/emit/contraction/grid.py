"""The tiles of a contraction: which there are, and where the one stands whose turn it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.tiles import Pieces


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile stands: the outer row variables, the piece of rows, and the panel.

    `turn` counts the row tiles that this panel has met before.
    """

    outer: tuple[Value, ...]
    rows: Value
    panel: Value
    turn: Value


@dataclass(frozen=True, slots=True)
class Grid:
    """All tiles: `outer` row variables, `rows` of the one that is cut, `columns`.

    Tiles are numbered so that `block` row tiles are multiplied by one panel, then by the next.
    """

    outer: tuple[int, ...]
    rows: Pieces
    columns: Pieces
    block: int = 1

    @property
    def row_tiles(self) -> int:
        return math.prod(self.outer) * self.rows.count

    @property
    def blocks(self) -> Pieces:
        """The blocks of row tiles."""
        return Pieces(self.row_tiles, self.block)

    @property
    def count(self) -> int:
        return self.row_tiles * self.columns.count

    def locate(self, code: Code, number: Value) -> Place:
        """Where tile `number` stands."""
        block, inside = integer(0), number
        if self.block < self.row_tiles:
            block, inside = _divide(code, number, self.block * self.columns.count)
        panel, turn = self._in_block(code, block, inside)
        first = code.binary("mul nuw nsw", block, integer(self.block))
        rest, rows = _divide(code, code.binary("add nuw nsw", first, turn), self.rows.count)
        outer: list[Value] = []
        for extent in self.outer[:0:-1]:
            rest, index = _divide(code, rest, extent)
            outer.insert(0, index)
        return Place((rest, *outer) if self.outer else (), rows, panel, turn)

    def _in_block(self, code: Code, block: Value, inside: Value) -> tuple[Value, Value]:
        """The panel, and the row tile counted from the first of its block.

        Division by one of two lengths is a product and a shift, exact for the tiles of a block;
        LLVM would divide by whichever it is.
        """
        blocks = self.blocks
        if not blocks.rest:
            return _divide(code, inside, self.block)
        is_full = code.compare("icmp ult", block, integer(blocks.full))
        size = code.select(is_full, integer(self.block), integer(blocks.rest))
        shift = (self.block * self.block * self.columns.count).bit_length()
        scales = (integer(-(-(1 << shift) // length)) for length in (self.block, blocks.rest))
        scaled = code.binary("mul nuw nsw", inside, code.select(is_full, *scales))
        panel = code.binary("lshr", scaled, integer(shift))
        return panel, code.binary("sub nuw nsw", inside, code.binary("mul nuw nsw", panel, size))


def for_each_length(code: Code, pieces: Pieces, index: Value, emit: Callable[[int], None]) -> None:
    """Code for the piece at `index`: `emit(length)`, once per length that occurs."""
    if not (pieces.full and pieces.rest):
        emit(pieces.size if pieces.full else pieces.rest)
        return
    whole, rest, done = (code.fresh(stem) for stem in ("whole", "rest", "cut"))
    code.branch_if(code.compare("icmp ult", index, integer(pieces.full)), whole, rest)
    for label, length in ((whole, pieces.size), (rest, pieces.rest)):
        code.start(label)
        emit(length)
        code.branch(done)
    code.start(done)


def _divide(code: Code, x: Value, by: int) -> tuple[Value, Value]:
    """Quotient and rest."""
    if by == 1:
        return x, integer(0)
    return code.binary("udiv", x, integer(by)), code.binary("urem", x, integer(by))
