"""How the right operand of a contraction lies in memory: panels of columns."""

from __future__ import annotations

from dataclasses import dataclass

WORD_BITS = 32
"""Of an element that holds several integers."""


@dataclass(frozen=True, slots=True)
class Pack:
    """How the right operand of a contraction lies in memory: in panels of `nr` columns.

    Element (k.., n) is at `b.index` with n=0 plus `panel * (n // nr) + kr * (n % nr)` plus, for
    the last reduction axis (the run) at position r: `(r // kr) * (kr * nr) + r % kr`.
    The run is padded with zeros to a multiple of `kr`, columns to a multiple of `nr`.
    `b.index` holds the outer variables and every reduction variable but the last.
    """

    nr: int
    kr: int
    panel: int

    def offset(self, column: int, position: int) -> int:
        """Elements from `b.index` to the one of `column` at `position` of the run."""
        panel, lane = divmod(column, self.nr)
        step, rest = divmod(position, self.kr)
        return panel * self.panel + (step * self.nr + lane) * self.kr + rest

    @property
    def row(self) -> int:
        """Elements of one panel for `kr` positions of the run."""
        return self.nr * self.kr


@dataclass(frozen=True, slots=True)
class BlockPack(Pack):
    """Weights of a few bits, in blocks along the run that have a scale for each column.

    Elements are words of 32 bits. The run is one block, and starts with `units` rows of `nr` f32:
    scales, then zero points if there are two. Each word after them holds `kr` positions of the run
    of one column, as integers with a sign, the first in its lowest bits. What is multiplied is
    (integer - zero point) * scale.
    """

    units: int

    @property
    def bits(self) -> int:
        """Those of one integer."""
        return WORD_BITS // self.kr

    def offset(self, column: int, position: int) -> int:
        """Words from `b.index` to the one that holds `column` at `position` of the block."""
        return self.unit(column, self.units + position // self.kr)

    def unit(self, column: int, number: int) -> int:
        """Words from `b.index` to the one of `column` in row `number` of the block."""
        panel, lane = divmod(column, self.nr)
        return panel * self.panel + number * self.nr + lane

    @property
    def row(self) -> int:
        return self.nr
