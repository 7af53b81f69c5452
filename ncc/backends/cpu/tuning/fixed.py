"""One schedule for every contraction, sensible everywhere and best nowhere: no time is spent."""

from __future__ import annotations

from ncc.backends.cpu.loopir.loops import TileOrder
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import accumulator_lanes
from ncc.backends.cpu.tuning.schedule import Schedule, heights
from ncc.backends.cpu.tuning.subject import Subject
from ncc.ir.types import DType

VECTORS = 2
"""Of columns; with as many rows as registers hold, every load is used in 14 products."""
BLOCK = 16
"""Row tiles for each panel: some hundred rows, which stay in the second-level cache."""


def fixed_width(columns: int, dtype: DType, target: Target) -> int:
    """Columns of a panel."""
    lanes = accumulator_lanes(dtype, target)
    return min(VECTORS, -(-columns // lanes)) * lanes


def fixed_schedule(subject: Subject, target: Target) -> Schedule:
    """The tallest tile that registers hold."""
    tallest = heights(subject.contract, target)[0]
    return Schedule(tallest, subject.contract.pack.nr, TileOrder(BLOCK, 1))
