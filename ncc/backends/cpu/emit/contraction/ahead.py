"""What is read soon: memory that the sums of one tile ask for on behalf of the next ones.

Weights come from beyond the caches once in every run of a model, and hardware looks no more than
a page ahead. So while one panel is used, the next is brought to the second-level cache, each row
tile asking for its part; and where rows do not stay in that cache, so are the next rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.backends.cpu.emit.contraction.walk import Stream, Walk
from ncc.backends.cpu.tiles import L2_BYTES, LINE

SOON = 128 * LINE
"""How far ahead a panel is read that is used once, or is too large to wait in the cache; bytes."""
SOON_NARROW = 512 * LINE
"""The same for elements that are made wider as they are read, which takes as long as reading."""
OFTEN = 32
"""Row tiles for which it does not matter that the first of them waits for the only panel."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A stream that starts `distance` bytes after that of an operand, and `shift` more each turn.

    Turns count from 0 to `turns` - 1 and start again.
    """

    stream: Stream
    distance: int
    shift: int = 0
    turns: int = 1


@dataclass(frozen=True, slots=True)
class Panels:
    """`count` panels of `nbytes`; `tiles` row tiles use one before the next is taken.

    All of them are gone through `passes` times.
    """

    count: int
    nbytes: int
    tiles: int
    passes: int

    def stay(self, l2_bytes: int) -> bool:
        """Whether all of them are met again and again, and stay in the cache meanwhile."""
        again = self.passes > 1 if self.tiles == 1 else self.count == 1 and self.tiles >= OFTEN
        return again and self.count * self.nbytes <= l2_bytes


def panels_ahead(
    b: Stream, panels: Panels, unrolled: int, l2_bytes: int = L2_BYTES, soon: int = SOON
) -> Ahead | None:
    """For panels that are walked in rounds of `unrolled` steps; None where all of them stay.

    Those that are used once are asked for `soon` bytes ahead.
    """
    if panels.stay(l2_bytes):
        return None
    lines = -(-unrolled * b.step // LINE)
    if panels.tiles == 1 or panels.count == 1 or 2 * panels.nbytes > l2_bytes:
        return Ahead(Stream(b.axes, b.step, lines), soon)
    each = -(-lines // panels.tiles)
    return Ahead(Stream(b.axes, b.step, each), panels.nbytes, each * LINE, -(-lines // each))


def panels_in_order(
    walk: Walk, panels: Panels, l2_bytes: int = L2_BYTES, soon: int = SOON
) -> Ahead | None:
    """The same, but each row tile asks for lines that follow each other.

    Hardware then joins in, and what the core asks for itself is not on its way for long: it can
    only wait for a few lines at a time, those of its operands among them.
    """
    _, b = walk.streams
    spread = panels_ahead(b, panels, walk.unrolled, l2_bytes, soon)
    if spread is None or spread.distance == soon:
        return spread
    rounds = max(1, walk.steps // walk.unrolled)
    every = rounds * math.prod(walk.axes)
    lines = -(-panels.nbytes // LINE)
    each = -(-lines // (panels.tiles * every))
    size = each * LINE
    inner = (math.prod(walk.axes[axis:]) for axis in range(1, len(walk.axes) + 1))
    stream = Stream(tuple(size * rounds * count for count in inner), size // walk.unrolled, each)
    return Ahead(stream, panels.nbytes, every * size, -(-lines // (each * every)))


def rows_ahead(
    a: Stream, tile_bytes: int, rounds: int, unrolled: int, a_bytes: int, l2_bytes: int = L2_BYTES
) -> Ahead | None:
    """For rows of A of which a tile covers `tile_bytes` in so many rounds of the run."""
    if a_bytes <= l2_bytes:
        return None
    lines = -(-tile_bytes // (LINE * rounds))
    return Ahead(Stream(a.axes, lines * LINE // unrolled, lines), tile_bytes)
