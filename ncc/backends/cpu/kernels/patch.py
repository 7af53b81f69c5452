"""Patches: neighbouring results that are computed together and share what they load."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.evaluate import Scope
from ncc.backends.cpu.kernels.row_sums import Turn
from ncc.backends.cpu.kernels.schedule import Tile
from ncc.backends.cpu.kernels.space import Loop
from ncc.backends.cpu.kernels.windows import Place, Steps, Window
from ncc.backends.cpu.loopir.loops import Expr

LOAD = 2
"""Instructions to load a narrow element and widen it; one more makes it part of a result."""
START = 4
"""Instructions around a patch, and to finish a result."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Results that are neighbours along some of the spatial axes, by axis."""

    tiles: Mapping[int, Tile]
    rank: int

    def turns(self, loop: Loop) -> Loop:
        """`loop`, or the loop over patches along it."""
        return next((tile.turns for tile in self.tiles.values() if tile.loop == loop), loop)

    def entered(self, at: Mapping[Loop, Expr]) -> Mapping[Loop, Expr]:
        """`at` with the place of the first neighbour for the number of the patch."""
        for tile in self.tiles.values():
            at = tile.entered(at)
        return at

    @property
    def lines(self) -> int:
        """How many rows a patch has results of."""
        return math.prod(tile.width for axis, tile in self.tiles.items() if axis < self.rank - 1)

    def by_line(self, places: Sequence[Place]) -> list[list[Place]]:
        """`places` by row."""
        found: dict[Steps, list[Place]] = {}
        for place in places:
            found.setdefault(place.steps[:-1], []).append(place)
        return list(found.values())

    def turn(self, scope: Scope) -> Turn:
        """Where in a row the patch is whose first result is that of `scope`."""
        tile = self.tiles[self.rank - 1]
        first = scope.at[tile.loop]
        repeats = tile.loop.extent % tile.width > 0
        new = (tile.loop, first) if repeats else None
        return Turn(first // tile.width, tile.turns.extent, new)

    def places(self, scope: Scope) -> list[Place]:
        """Every result of a patch, in the block of `scope`."""
        found = [Place(scope, (0,) * self.rank)]
        for axis, tile in self.tiles.items():
            found = [
                Place(inner, (*place.steps[:axis], step, *place.steps[axis + 1 :]))
                for place in found
                for step, inner in enumerate(tile.places(place.scope))
            ]
        return found


def best_patch(window: Window, loops: Mapping[int, Loop], most: int) -> Patch:
    """The patch of at most `most` results that takes the fewest instructions in all.

    `loops` are those over spatial axes, by axis. Where a loop is no multiple of its tile, the last
    tile repeats some results of another.
    """
    axes = sorted(loops)[-2:]
    ranges = [range(1, min(loops[axis].extent, most) + 1) for axis in axes]
    sizes = [found for found in itertools.product(*ranges) if math.prod(found) <= most]

    def cost(widths: Iterable[int]) -> tuple[int, int]:
        of = dict(zip(axes, widths, strict=True))
        results = math.prod(of.values())
        turns = math.prod(-(-loops[axis].extent // width) for axis, width in of.items())
        loaded = math.prod(
            _reach(window, axis, of.get(axis, 1)) for axis in range(len(window.kernel))
        )
        work = LOAD * loaded + results * (math.prod(window.kernel) + START) + START
        return turns * work, -results

    widths = zip(axes, min(sizes, key=cost), strict=True)
    return Patch({axis: Tile(loops[axis], width) for axis, width in widths}, len(window.kernel))


def _reach(window: Window, axis: int, width: int) -> int:
    """How many elements along an axis so many neighbours see."""
    taps, step, apart = (n[axis] for n in (window.kernel, window.strides, window.dilations))
    return len({place * step + tap * apart for place in range(width) for tap in range(taps)})
