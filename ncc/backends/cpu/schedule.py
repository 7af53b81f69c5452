"""How the loops of a nest are run: one in vector lanes, some shared among the cores."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from ncc.backends.cpu.space import Loop, Operand, join_axes

PARALLEL = 64
"""Iterations of the parallel loop that are enough to share among the cores evenly."""


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
