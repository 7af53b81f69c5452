"""One set of choices for a contraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ncc.backends.cpu.emit.contraction.contract import tiles_of
from ncc.backends.cpu.emit.contraction.tile import TileEmitter, row_extents
from ncc.backends.cpu.emit.function import FunctionEmitter
from ncc.backends.cpu.loopir.loops import Contract, Kernel, TileOrder
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import tilings
from ncc.backends.cpu.tuning.subject import Subject


@dataclass(frozen=True, slots=True)
class Schedule:
    """The register tile, `rows` by `columns`, and the order in which tiles are computed.

    Weights are packed in panels of `columns`. In matrix registers `rows` has no meaning.
    """

    rows: int
    columns: int
    order: TileOrder

    @property
    def numbers(self) -> dict[str, int]:
        """As an entry of the tuning file holds it."""
        block, parts = self.order.block, self.order.parts
        return {"rows": self.rows, "columns": self.columns, "block": block, "parts": parts}


def read_schedule(numbers: Mapping[str, int]) -> Schedule | None:
    """What `Schedule.numbers` wrote; None if others did."""
    if set(numbers) != {"rows", "columns", "block", "parts"}:
        return None
    order = TileOrder(numbers["block"], numbers["parts"])
    return Schedule(numbers["rows"], numbers["columns"], order)


def tiles(subject: Subject, target: Target) -> TileEmitter:
    """The tiles of a contraction as they are computed."""
    return tiles_of(FunctionEmitter(subject.kernel, target), subject.contract)


def present(subject: Subject, target: Target) -> Schedule:
    """What is chosen now."""
    rows, columns = subject.contract.tile
    return Schedule(rows, columns, tiles(subject, target).order)


def heights(contract: Contract, target: Target) -> list[int]:
    """The rows that a tile may have, most first, with panels as they are."""
    rows, outer = row_extents(contract)
    found = tilings(
        rows, contract.columns, contract.a.dtype, target, outer=outer, nr=contract.pack.nr
    )
    return sorted((height for height, _ in found), reverse=True)


def scheduled(subject: Subject, schedule: Schedule, target: Target) -> Kernel | None:
    """The kernel with these choices; None if it cannot have them."""
    contract = subject.contract
    if schedule.columns != contract.pack.nr or schedule.rows not in heights(contract, target):
        return None
    if schedule.order.parts not in tiles(subject, target).cuts:
        return None
    tile = (schedule.rows, schedule.columns)
    return subject.changed(replace(contract, tile=tile, order=schedule.order))
