"""Sums that wait on the stack while other tiles have their turn with a part of the run."""

from __future__ import annotations

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.contraction.unit import Unit
from ncc.backends.cpu.emit.contraction.walk import Carried


class Aside:
    """Room for the sums of `tiles` tiles, `vectors` of them each."""

    def __init__(self, code: Code, unit: Unit, tiles: int, vectors: int) -> None:
        self._code = code
        self._unit = unit
        self._size = vectors * unit.lanes
        self._room = code.allocate(unit.sum, count=tiles * self._size)

    def put(self, tile: Value, sums: Carried) -> None:
        """Leave the sums of a tile here."""
        for place, total in zip(self._places(tile, len(sums)), sums, strict=True):
            self._code.store(total, place)

    def take(self, tile: Value, count: int, part: Value) -> Carried:
        """The first `count` sums of a tile that were left here; empty ones before part 0."""
        code, unit = self._code, self._unit
        empty, aside, begun = (code.fresh(stem) for stem in ("empty", "aside", "begun"))
        code.branch_if(code.compare("icmp eq", part, integer(0)), empty, aside)
        code.start(empty)
        code.branch(begun)
        code.start(aside)
        left = [code.load(place, unit.sum, unit.lanes) for place in self._places(tile, count)]
        code.branch(begun)
        code.start(begun)
        zero = unit.zero()
        return [
            code.like(
                zero, f"phi {zero.type} [ {zero.text}, %{empty} ], [ {total.text}, %{aside} ]"
            )
            for total in left
        ]

    def _places(self, tile: Value, count: int) -> list[Value]:
        code, unit = self._code, self._unit
        start = code.binary("mul nuw nsw", tile, integer(self._size))
        return [
            code.offset(self._room, unit.sum, code.add(start, number * unit.lanes))
            for number in range(count)
        ]
