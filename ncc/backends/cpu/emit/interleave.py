"""Stores side by side: lanes that are apart in memory, and neighbours that fill the gaps.

In lanes l, the stores y[4*l] = a, y[4*l + 1] = b ... write vectors of a, b ... across each other.
They are transposed in registers, so that each lane is one store, or all of them are a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.environment import Environment
from ncc.backends.cpu.emit.index import IndexEmitter
from ncc.backends.cpu.emit.memory import Memory
from ncc.backends.cpu.emit.registers import opaque
from ncc.backends.cpu.emit.shuffles import interleaved, picked
from ncc.backends.cpu.loopir.loops import Role, Stmt, Store
from ncc.backends.cpu.target import Target
from ncc.ir.types import DType


@dataclass(frozen=True, slots=True)
class Run:
    """Stores to neighbouring elements, `step` elements further in each lane."""

    stores: tuple[Store, ...]
    step: int


class Interleaving:
    """Finds and emits runs of stores at the current point."""

    def __init__(
        self,
        code: Code,
        environment: Environment,
        index: IndexEmitter,
        memory: Memory,
        target: Target,
    ) -> None:
        self._code = code
        self._environment = environment
        self._index = index
        self._memory = memory
        self._target = target

    def grouped(self, stmts: Sequence[Stmt]) -> Iterator[Stmt | Run]:
        """`stmts` in order, with every run of stores in the lanes in force as one."""
        lanes = self._environment.lanes
        start = 0
        while start < len(stmts):
            end, step = start + 1, None
            if lanes is not None and lanes.width > 1 and lanes.are_first:
                end, step = self._run(stmts, start)
            stores = tuple(stmt for stmt in stmts[start:end] if isinstance(stmt, Store))
            yield stmts[start] if step is None else Run(stores, step)
            start = end

    def _run(self, stmts: Sequence[Stmt], start: int) -> tuple[int, int | None]:
        """Where the run from `start` on ends, and its step; None if it is a single statement."""
        first = stmts[start]
        if not isinstance(first, Store) or first.buffer.role is not Role.output:
            return start + 1, None
        form = self._index.form(first.index)
        step = self._index.step(form)
        if step is None or step < 2 or first.guard is not None:
            return start + 1, None
        end = start + 1
        while end < len(stmts) and end - start < step:
            stmt = stmts[end]
            if not isinstance(stmt, Store) or stmt.buffer is not first.buffer or stmt.guard:
                break
            other = self._index.form(stmt.index)
            if other.const != form.const + end - start or other.terms != form.terms:
                break
            end += 1
        return end, step if end > start + 1 else None

    def store(self, run: Run) -> None:
        """Execute the stores of `run`."""
        vectors = [self._vector(store) for store in run.stores]
        lanes = self._environment.lanes
        assert lanes is not None
        count = len(vectors)
        flat = interleaved(self._code, vectors)
        first = run.stores[0]
        pointer = self._memory.address(first.buffer, self._index.form(first.index))
        self._environment.change([first.buffer])
        if run.step == count:
            self._contiguous(flat, pointer, lanes.active * count)
            return
        for lane in range(lanes.active):
            row = picked(self._code, flat, range(lane * count, (lane + 1) * count))
            self._piece(row, pointer, lane * run.step, count)

    def _vector(self, store: Store) -> Value:
        """What a store writes, one element a lane."""
        vector = self._memory.stored(store)
        is_rounded = store.buffer.dtype is DType.bf16 and self._target.has_bf16_dot
        return opaque(self._code, vector, self._target) if is_rounded else vector

    def _contiguous(self, flat: Sequence[Value], pointer: Value, count: int) -> None:
        width = flat[0].lanes
        for position, vector in enumerate(flat):
            held = min(width, count - position * width)
            if held > 0:
                self._piece(vector, pointer, position * width, held)

    def _piece(self, vector: Value, pointer: Value, offset: int, count: int) -> None:
        """Store the first `count` elements of `vector` at `offset`."""
        place = self._code.offset(pointer, vector.element, integer(offset))
        self._code.store_some(vector, place, count)
