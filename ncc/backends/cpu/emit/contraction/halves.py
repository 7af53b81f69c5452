"""Rows in two halves, each for half of the cores, where rows and results outweigh the weights.

Cores that share the columns of a product write parts of rows that all of them read next, and a line
that another core has touched comes and goes at the rate of memory, or less. Cores that share the
rows read all of B each, but rows stay with the core that wrote them from one product to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.contraction.grid import Grid, Place
from ncc.backends.cpu.tiles import Pieces

EXCHANGE = 1.75
"""Bytes of B that cost as much as a byte of rows or results that another core has touched."""
B_SHARE = 1 / 2
"""Of the second-level cache, for B: more of it comes to both cores no faster than they use it."""
LEAST_ROW_TILES = 4
"""Row tiles for which halves are even enough, and panels used often enough to bring the next."""


def halves_pay(grid: Grid, b_bytes: int, exchanged: int, l2_bytes: int) -> bool:
    """Whether to read all of B on both cores rather than to exchange rows and results."""
    by_panels = grid.block == grid.row_tiles and grid.columns.count > 1
    enough = grid.row_tiles >= LEAST_ROW_TILES
    return by_panels and enough and b_bytes <= min(EXCHANGE * exchanged, B_SHARE * l2_bytes)


_FIRST = integer(0)


@dataclass(frozen=True, slots=True)
class Half(Grid):
    """The row tiles of half `number`, 0 or 1, panel by panel; `block` are those of the smaller one.

    Of an odd number of row tiles, the one in the middle is the first half's for the first panels,
    and the other half's for the rest of them.
    """

    number: Value = _FIRST

    @property
    def early(self) -> int:
        """The panels for which the middle is the first half's."""
        return self.columns.count // 2 if self.row_tiles % 2 else 0

    @property
    def tall(self) -> int:
        """The row tiles of a half with the middle."""
        return self.row_tiles - self.block

    def total(self, code: Code) -> Value:
        """How many tiles the half has."""
        first = self.tall * self.early + self.block * (self.columns.count - self.early)
        both = self.row_tiles * self.columns.count
        return self._choose(code, first, both - first)

    def locate(self, code: Code, number: Value) -> Place:
        """Where tile `number` of the half stands."""
        bound = self._choose(code, self.tall * self.early, self.block * self.early)
        is_early = code.compare("icmp ult", number, bound)
        before = code.select(is_early, integer(0), integer(self.early))
        inside = code.select(is_early, number, code.binary("sub", number, bound))
        second = code.compare("icmp ne", self.number, integer(0))
        has_middle = code.binary("xor", is_early, second)
        panel, turn = (
            code.select(
                has_middle,
                code.binary(rest, inside, integer(self.tall)),
                code.binary(rest, inside, integer(self.block)),
            )
            for rest in ("udiv", "urem")
        )
        below = code.select(has_middle, integer(self.block), integer(self.tall))
        first = code.select(second, below, integer(0))
        row_tile = code.binary("add nuw nsw", first, turn)
        rows = Grid(self.outer, self.rows, Pieces(1, 1), self.row_tiles).locate(code, row_tile)
        return replace(rows, panel=code.binary("add nuw nsw", before, panel), turn=turn)

    def _choose(self, code: Code, first: int, second: int) -> Value:
        """What holds for this half."""
        is_first = code.compare("icmp eq", self.number, integer(0))
        return code.select(is_first, integer(first), integer(second))


@dataclass(frozen=True, slots=True)
class Member:
    """A core, as number `core` of the `cores` that share `half`."""

    half: Half
    core: Value
    cores: Value


def member(code: Code, grid: Grid, core: Value, cores: Value) -> Member:
    """What core number `core` shares, of an even number of `cores`."""
    each = code.binary("lshr", cores, integer(1))
    number = code.binary("udiv", core, each)
    inside = code.binary("urem", core, each)
    half = Half(grid.outer, grid.rows, grid.columns, grid.row_tiles // 2, number)
    return Member(half, inside, each)
