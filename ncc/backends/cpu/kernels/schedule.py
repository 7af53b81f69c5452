"""How the loops of a nest are run: one in vector lanes, some shared among the cores."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.evaluate import Scope
from ncc.backends.cpu.kernels.space import Loop, Operand, join_axes
from ncc.backends.cpu.loopir.loops import Expr, apply, const

MIN_ACROSS = 4
"""Neighbours of an input from which they are worth loading together."""
MAX_NEAR = 4
"""Elements that neighbours of an input may be apart to be loaded together."""
REPEAT = 8
"""Tiles one after the other where inputs and outputs lie across each other: memory likes runs."""
PARALLEL = 64
"""Iterations of the parallel loop that are enough to share among the cores evenly."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Neighbours along `loop` that are computed together, `width` at a time.

    `repeat` tiles follow each other inside the vector loop. Where the loop is no multiple of all
    that, the last tile starts early and computes some again.
    """

    loop: Loop
    width: int
    repeat: int = 1

    @property
    def turns(self) -> Loop:
        """The loop over groups of `repeat` tiles."""
        extent = -(-self.loop.extent // (self.width * self.repeat))
        return Loop(extent, self.loop.kind, self.loop.axes)

    def entered(self, at: Mapping[Loop, Expr]) -> dict[Loop, Expr]:
        """`at` with the place of the first neighbour for the number of the group."""
        found = dict(at)
        if self.turns in found:
            found[self.loop] = found.pop(self.turns) * (self.width * self.repeat)
        return found

    def places(self, scope: Scope) -> list[Scope]:
        """The scope of each neighbour of one tile, in the block of `scope`."""
        first = scope.at[self.loop]
        if self.turns.extent * self.width * self.repeat > self.loop.extent:
            first = apply("min", first, const(self.loop.extent - self.width))
        return [scope.beside({self.loop: first + place}) for place in range(self.width)]


def crossing(
    loops: Sequence[Loop],
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    lanes: int,
    indices: Sequence[Operand] = (),
) -> tuple[Loop, Tile] | None:
    """A loop that inputs lie along, for the lanes, and a tile that outputs lie along.

    An input lies along a loop whose neighbours are next to each other, or few elements apart;
    none does along a loop where `indices` say which element is next.
    """

    def paces(operands: Sequence[Operand], loop: Loop) -> set[int]:
        return {operand.stride(loop) for operand in operands} - {0}

    def lies_across(loop: Loop, tile: Loop) -> bool:
        if loop is tile or loop.extent < MIN_ACROSS or paces(indices, loop):
            return False
        along = paces(inputs, loop)
        return bool(along) and min(along) > 0 and max(along) <= MAX_NEAR

    for tile in loops:
        if any(operand.stride(tile) != 1 for operand in outputs):
            continue
        for loop in loops:
            if lies_across(loop, tile) and min(y.stride(loop) for y in outputs) > 1:
                width = min(tile.extent, lanes)
                tiles = -(-tile.extent // width)
                return loop, Tile(tile, width, -(-tiles // -(-tiles // REPEAT)))
    return None


def loops_over(
    domain: Sequence[int], kinds: Sequence[Hashable], operands: Sequence[Operand]
) -> list[Loop]:
    """Loops over `domain`, slowest first as its largest operand lies, of results the last."""
    reference = max(operands[::-1], key=lambda operand: _reach(operand, domain))
    return join_axes(domain, kinds, operands, reference)


def vector_loop(loops: Sequence[Loop], operands: Sequence[Operand], lanes: int) -> Loop | None:
    """The loop for the lanes: few strided accesses, few idle lanes; the later of equals."""

    def cost(loop: Loop) -> float:
        strides = [abs(operand.stride(loop)) for operand in operands]
        accesses = sum({0: 0.2, 1: 1.0}.get(stride, lanes / 2) for stride in strides)
        full = -(-loop.extent // lanes) * lanes
        return accesses * full / max(loop.extent, 1)

    return min(reversed(loops), key=cost, default=None)


def take_shared(outer: list[Loop]) -> list[Loop]:
    """The first of `outer`, taken off it: as many as give the cores enough to share."""
    shared: list[Loop] = []
    while outer and math.prod(loop.extent for loop in shared) < PARALLEL:
        shared.append(outer.pop(0))
    return shared


def equal_parts(extent: int, lanes: int, most: int, least: int) -> int:
    """Into how many equal parts of whole vectors, `least` elements or more, to split a loop."""
    for parts in range(min(most, extent // least), 1, -1):
        if extent % parts == 0 and (extent // parts) % lanes == 0:
            return parts
    return 1


def _reach(operand: Operand, domain: Sequence[int]) -> int:
    """Elements of the domain that an operand tells apart."""
    held = zip(operand.strides, domain, strict=False)
    return math.prod(extent for stride, extent in held if stride)
