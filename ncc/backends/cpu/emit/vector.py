"""Vector loops: whole chunks of lanes, then the rest under a constant mask.

A loop that reduces keeps partial results per lane, in several accumulators when it is long, and
combines them in a fixed order at the end, so that results do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer, vector_literal
from ncc.backends.cpu.emit.environment import Lanes
from ncc.backends.cpu.emit.reduction import Reduction
from ncc.backends.cpu.emit.scan import Scan
from ncc.backends.cpu.loopir.loops import Assign, For, Var

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

ACCUMULATORS = 4
"""Enough to hide the latency of an addition behind others."""
WIDE = 4
"""Vectors that walk down columns together."""


def emit_vector_loop(fn: FunctionEmitter, stmt: For) -> None:
    """Emit `stmt`, of more than one iteration, in the lanes of the target or fewer."""
    width = min(fn.target.lanes, _lanes_for(stmt.extent))
    done = _emit_wide(fn, stmt, WIDE * width) if _combines_down(stmt) else 0
    chunks, rest = divmod(stmt.extent, width)
    wanted = -(-ACCUMULATORS // max(len(stmt.reduce), 1))
    copies = wanted if stmt.reduce and chunks >= 2 * wanted else 1
    reductions = [Reduction(fn, local, how, width, copies) for local, how in stmt.reduce]
    fn.scans = {local: Scan(fn, local, how, width) for local, how in stmt.scan}
    emit = _Chunks(fn, stmt, width, reductions)
    emit.whole(done // width, chunks // copies - done // width, copies)
    emit.whole(chunks // copies * copies, chunks % copies, 1)
    emit.rest(chunks * width, rest)
    for reduction in reductions:
        reduction.finish()
    for scan in fn.scans.values():
        scan.finish()
    fn.scans = {}


def _combines_down(stmt: For) -> bool:
    """Whether each lane runs a loop that does nothing but to combine numbers."""
    loops = [inner for inner in stmt.body if isinstance(inner, For)]
    return (
        not (stmt.reduce or stmt.scan)
        and bool(loops)
        and all(isinstance(inner, Assign) for loop in loops for inner in loop.body)
    )


def _emit_wide(fn: FunctionEmitter, stmt: For, width: int) -> int:
    """As many iterations as fit in chunks of several vectors, which do not wait for each other.

    What neighbours read lies together: columns that are summed are walked down in whole lines.
    """
    turns = stmt.extent // width
    _Chunks(fn, stmt, width, ()).whole(0, turns, 1)
    return turns * width


def _lanes_for(count: int) -> int:
    """The power of two that holds `count` lanes."""
    return 1 << (count - 1).bit_length()


@dataclass(frozen=True, slots=True)
class _Chunks:
    """Emits parts of the vector loop `stmt`."""

    fn: FunctionEmitter
    stmt: For
    width: int
    reductions: Sequence[Reduction]

    def whole(self, first: int, turns: int, copies: int) -> None:
        """`turns` turns of a loop from chunk `first`, with `copies` chunks in each."""
        start, step = first * self.width, copies * self.width
        if turns == 1:
            self._turn(integer(start), copies)
        elif turns:
            end = start + turns * step
            with self.fn.loop(self.stmt.body, start, end, step) as base:
                self._turn(base, copies)

    def _turn(self, base: Value, copies: int) -> None:
        for copy in range(copies):
            start = self.fn.code.add(base, copy * self.width)
            with _reducing(self.reductions, copy), lanes(self.fn, self.stmt.var, start, self.width):
                self._body()

    def rest(self, first: int, count: int) -> None:
        """The last `count` iterations, fewer than a chunk."""
        if not count:
            return
        width = self.width if self.reductions or self.fn.scans else _lanes_for(count)
        here = lanes(self.fn, self.stmt.var, integer(first), width, count)
        with _reducing(self.reductions, 0), here:
            self._body()

    def _body(self) -> None:
        for scan in self.fn.scans.values():
            scan.start()
        self.fn.statements(self.stmt.body)


@contextmanager
def lanes(
    fn: FunctionEmitter, var: Var, base: Value, width: int, active: int | None = None
) -> Iterator[None]:
    """The first `active` of `width` lanes are iterations base, base + 1 ... of `var`.

    `base` is a literal or a multiple of the number of lanes.
    """
    count = width if active is None else active
    multiple = width if base.text.startswith("%") else int(base.text)
    mask = vector_literal([lane < count for lane in range(width)], "i1") if count < width else None
    with fn.environment.within(Lanes(var, base, width, multiple, count, mask)):
        yield


@contextmanager
def _reducing(reductions: Sequence[Reduction], copy: int) -> Iterator[None]:
    """Locals that are reduced stand for the accumulators number `copy`."""
    for reduction in reductions:
        reduction.stand_in(reduction.slots[copy])
    yield
    for reduction in reductions:
        reduction.stand_in(reduction.outer)
