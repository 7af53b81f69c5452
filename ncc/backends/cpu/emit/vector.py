"""Vector loops: whole chunks of lanes, then the rest under a constant mask.

A loop that reduces keeps partial results per lane, in several accumulators when it is long, and
combines them in a fixed order at the end, so that results do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ncc.backends.cpu.emit.arithmetic import primitive
from ncc.backends.cpu.emit.code import Value, integer, vector_literal
from ncc.backends.cpu.emit.environment import Lanes, Slot
from ncc.backends.cpu.emit.types import constant, element
from ncc.backends.cpu.loops import For, Local, Var
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter

ACCUMULATORS = 4
"""Enough to hide the latency of an addition behind others."""


def emit_vector_loop(fn: FunctionEmitter, stmt: For) -> None:
    """Emit `stmt`, of more than one iteration, in the lanes of the target."""
    width = fn.target.lanes
    chunks, rest = divmod(stmt.extent, width)
    reductions = [Reduction(local, how) for local, how in stmt.reduce]
    copies = ACCUMULATORS if reductions and chunks >= 2 * ACCUMULATORS else 1
    for reduction in reductions:
        reduction.start(fn, width, copies)
    done = chunks // copies * copies
    for first, end, group in ((0, done, copies), (done, chunks, 1)):
        if end > first:
            _emit_chunks(fn, stmt, reductions, first, end, group)
    if rest:
        with _reducing(fn, reductions, 0), lanes(fn, stmt.var, integer(chunks * width), rest):
            fn.statements(stmt.body)
    for reduction in reductions:
        reduction.finish(fn)


def _emit_chunks(
    fn: FunctionEmitter,
    stmt: For,
    reductions: Sequence[Reduction],
    first: int,
    end: int,
    group: int,
) -> None:
    """Chunks first..end, `group` of them per turn, each with an accumulator of its own."""
    width = fn.target.lanes
    with fn.loop(stmt.body, first * width, end * width, group * width) as base:
        for copy in range(group):
            start = fn.code.binary("add", base, integer(copy * width)) if copy else base
            with _reducing(fn, reductions, copy), lanes(fn, stmt.var, start, width):
                fn.statements(stmt.body)


@contextmanager
def lanes(fn: FunctionEmitter, var: Var, base: Value, active: int) -> Iterator[None]:
    """The first `active` lanes are iterations base, base + 1 ... of `var`.

    `base` is a literal or a multiple of the number of lanes.
    """
    width = fn.target.lanes
    multiple = width if base.text.startswith("%") else int(base.text)
    mask = vector_literal([lane < active for lane in range(width)], "i1")
    here = Lanes(var, base, width, multiple, active, mask if active < width else None)
    with fn.environment.within(here):
        yield


@contextmanager
def _reducing(fn: FunctionEmitter, reductions: Sequence[Reduction], copy: int) -> Iterator[None]:
    """Locals that are reduced stand for the accumulators number `copy`."""
    for reduction in reductions:
        fn.environment.slots[reduction.local] = reduction.slots[copy]
        fn.environment.change([reduction.local])
    yield
    for reduction in reductions:
        fn.environment.slots[reduction.local] = reduction.outer
        fn.environment.change([reduction.local])


@dataclass
class Reduction:
    """One local that a vector loop reduces with `how`."""

    local: Local
    how: str

    def start(self, fn: FunctionEmitter, width: int, copies: int) -> None:
        """Make `copies` accumulators that hold nothing yet."""
        self.outer = fn.environment.slots[self.local]
        kind = element(self.local.dtype)
        nothing = constant(identity(self.how, self.local.dtype), self.local.dtype, width)
        self.slots = [
            Slot(fn.code.allocate(kind, width), kind, width, masked=True) for _ in range(copies)
        ]
        for slot in self.slots:
            fn.code.store(nothing, slot.pointer)

    def finish(self, fn: FunctionEmitter) -> None:
        """Combine the accumulators, then their lanes by halves, then the value from before."""
        values = [fn.code.load(s.pointer, s.element, s.lanes) for s in self.slots]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [self._combine(fn, a, b) for a, b in pairs]
        total = values[0]
        while total.lanes > 1:
            half = total.lanes // 2
            low = fn.code.shuffle(total, total, range(half))
            high = fn.code.shuffle(total, total, range(half, total.lanes))
            total = self._combine(fn, low, high)
        before = fn.expressions.scalar(self.local)
        fn.assign(self.local, self._combine(fn, before, fn.code.extract(total, 0)))

    def _combine(self, fn: FunctionEmitter, a: Value, b: Value) -> Value:
        return primitive(fn.code, self.how, self.local.dtype, [a, b])


def identity(how: str, dtype: DType) -> float:
    """The value that combines with any other to that other."""
    if how in ("min", "max"):
        least, most = _range(dtype)
        return most if how == "min" else least
    if how == "add" and dtype.is_float:
        return -0.0
    return {"add": 0, "mul": 1, "bitand": -1, "bitor": 0}[how]


def _range(dtype: DType) -> tuple[float, float]:
    if dtype.is_float:
        return -np.inf, np.inf
    if dtype is DType.bool:
        return False, True
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)
