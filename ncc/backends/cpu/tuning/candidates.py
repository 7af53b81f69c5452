"""Other schedules that may be faster than one, the most promising first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ncc.backends.cpu.emit.contraction.matrix import fits_matrix
from ncc.backends.cpu.emit.contraction.tile import row_extents
from ncc.backends.cpu.loopir.loops import TileOrder
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import cut_rows
from ncc.backends.cpu.tuning.schedule import Schedule, heights, present, tiles
from ncc.backends.cpu.tuning.subject import Subject

Variants = Mapping[int, Subject]
"""A kernel by the width of the panels that its weights are packed in."""

HEIGHTS = 4
"""Tiles of each width, beside that of the cost model."""
BLOCKS = (1, 2, 4, 8, 16, 32, 64)
SHARES = (1, 2, 3, 4)
"""Blocks, in row tiles and as shares of all of them."""
PARTS = 6
"""Ways to cut a run."""

Stage = Callable[[Variants, Schedule, Target], list[Schedule]]
"""Schedules that differ from one, the best so far, in one respect."""


def other_tiles(variants: Variants, best: Schedule, target: Target) -> list[Schedule]:
    """Tiles of every width: those of the cost model, then tall ones that cut rows evenly."""
    likely = [present(variant, target) for variant in variants.values()]
    others = [
        replace(first, rows=height)
        for variant, first in zip(variants.values(), likely, strict=True)
        for height in _even_heights(variant, target)
    ]
    return _without(best, [*likely, *others])


def other_blocks(variants: Variants, best: Schedule, target: Target) -> list[Schedule]:
    """Blocks of other sizes, those of a similar one first."""
    grid = tiles(variants[best.columns], target).grid
    if grid.columns.count == 1:
        return []
    count = grid.row_tiles
    sizes = {*(size for size in BLOCKS if size < count), *(-(-count // share) for share in SHARES)}
    near = sorted(sizes, key=lambda size: (abs(math.log(size / best.order.block)), size))
    parts = best.order.parts
    return _without(best, [replace(best, order=TileOrder(size, parts)) for size in near])


def other_parts(variants: Variants, best: Schedule, target: Target) -> list[Schedule]:
    """Runs cut into other numbers of parts, few first."""
    cuts = sorted(tiles(variants[best.columns], target).cuts)[: PARTS + 1]
    block = best.order.block
    return _without(best, [replace(best, order=TileOrder(block, parts)) for parts in cuts])


STAGES: tuple[Stage, ...] = (other_tiles, other_blocks, other_parts)


def _even_heights(variant: Subject, target: Target) -> list[int]:
    """The least height for each number of tiles, from few tiles on; none in matrix registers."""
    if fits_matrix(variant.contract, target):
        return []
    extents = row_extents(variant.contract)
    by_count = {}
    for height in heights(variant.contract, target):
        taken = cut_rows(*extents, height)
        by_count[taken.times * taken.pieces.count] = height
    return [by_count[count] for count in sorted(by_count)[:HEIGHTS]]


def _without(best: Schedule, found: Iterable[Schedule]) -> list[Schedule]:
    return [schedule for schedule in dict.fromkeys(found) if schedule != best]
