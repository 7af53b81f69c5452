"""Kernels that find the best elements of rows: a sort by keys, of few where few are wanted.

Of a long row only candidates are sorted. Its elements are dealt into groups; the k-th best of the
best of each group is no better than the k-th best of all, so what is worse is left out. Of
elements equal to that bound the first k are enough. Where more candidates are left than there is
room for, which takes rows made for it, the whole row is sorted.
"""

from __future__ import annotations

import math

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH
from ncc.backends.cpu.kernels.slots import Slots
from ncc.backends.cpu.kernels.sorting import Line, Sorter, key_of, key_type, worst_key
from ncc.backends.cpu.kernels.space import Loop, Operand, flat_positions, join_axes
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Expr,
    For,
    If,
    Kind,
    Let,
    Load,
    Local,
    Role,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.backends.cpu.storage.views import View
from ncc.diagnostics import Locs
from ncc.ir.ops.topk import TopK
from ncc.ir.types import DType

LONG = 8
"""Elements of a group, from which a row is long."""
GROUPS = 2
"""Groups, and places for candidates, for each element wanted."""
BLOCK = 64
"""Elements of which none is a candidate that are left out at once."""
LEAST = 32
"""Groups at least."""


def select(op: TopK, x: View, values: View, indices: View, locs: Locs) -> Call:
    """The call that writes the best elements of `x` and their indices."""
    build = KernelBuilder()
    return build.finish((_Writer(op, x, values, indices, build).kernel(),), locs)


class _Writer:
    """Writes the loops of one kernel."""

    def __init__(
        self, op: TopK, x: View, values: View, indices: View, build: KernelBuilder
    ) -> None:
        self.op, self.build, self.names = op, build, build.names
        self.size, self.stride = x.shape[op.axis], x.strides[op.axis]
        self.keys, self.worst = key_type(x.dtype), worst_key(x.dtype)
        self.x = Operand(*build.bind(x, Role.input), x.strides)
        self.results = [
            Operand(*build.bind(view, Role.output), view.strides) for view in (values, indices)
        ]
        rows = tuple(1 if axis == op.axis else n for axis, n in enumerate(x.shape))
        self.rows = join_axes(rows, ["row"] * len(rows), [self.x, *self.results], self.x)
        self.groups = _groups(op.k) if self.size >= LONG * _groups(op.k) else 0
        whole = max(self.groups, BLOCK)
        self.padded = -(-self.size // whole) * whole if self.groups else self.size
        held = 2 * (self.padded + self.groups) * (self.keys.itemsize + DType.i32.itemsize)
        self.slots = Slots(build, math.prod(rows), held)
        self.sorter = Sorter(build)

    def kernel(self) -> Stmt:
        return self.slots.loop(self._row)

    def _row(self, row: Expr) -> tuple[Stmt, ...]:
        at = flat_positions(self.rows, row)
        line, other = (self.slots.line(self.keys, self.padded) for _ in range(2))
        keys = self._keys(line, self.x.index(at))
        found = (self._selected if self.groups else self._sorted)(line, other, at)
        return (*keys, *found)

    def _keys(self, line: Line, start: Expr) -> list[Stmt]:
        """The keys of a row, and worse ones after it."""

        def key(index: Expr) -> tuple[Stmt, ...]:
            value = Load(self.x.buffer, start + index * self.stride)
            return line.put(index, key_of(value, largest=self.op.largest), index)

        def nothing(index: Expr) -> tuple[Stmt, ...]:
            return (Store(line.keys, line.base + index + self.size, self.worst),)

        each, more = self.sorter.each, self.padded - self.size
        return [each(self.size, key, Kind.vector), each(more, nothing, Kind.vector)]

    def _sorted(self, line: Line, other: Line, at: dict[Loop, Expr]) -> list[Stmt]:
        """The first of the row, all of which is sorted."""
        stmts, found = self.sorter.sort(line, other, self.size)
        return [*stmts, self._write(found, at)]

    def _write(self, line: Line, at: dict[Loop, Expr]) -> Stmt:
        """The results, from the places of the best."""

        def write(index: Expr) -> tuple[Stmt, ...]:
            place = line.place(index)
            value = self.x.load(at, place * self.stride)
            pairs = zip(self.results, (value, place), strict=True)
            return tuple(
                Store(y.buffer, y.index(at, index * y.strides[self.op.axis]), found)
                for y, found in pairs
            )

        return self.sorter.each(self.op.k, write, Kind.vector)

    # Long rows.

    def _selected(self, line: Line, other: Line, at: dict[Loop, Expr]) -> list[Stmt]:
        """The first of the candidates, or of all where those are too many."""
        some, more = (self.slots.line(self.keys, self.groups) for _ in range(2))
        bound, count = Local(self.names("b"), self.keys), Local(self.names("n"), DType.i64)
        sort, best = self.sorter.sort(some, more, self.groups)
        stmts = [self._best_of_groups(line, some), *sort]
        stmts.append(Let(bound, best.key(const(self.op.k - 1))))
        stmts += self._candidates(line, some, bound, count)
        again, found = self.sorter.sort(some, more, self.groups)
        stmts.append(If(count <= self.groups, (*again, self._write(found, at))))
        stmts.append(If(count > self.groups, tuple(self._sorted(line, other, at))))
        return stmts

    def _best_of_groups(self, line: Line, into: Line) -> Stmt:
        group, turn = self.names.var(), self.names.var()
        best = Local(self.names("m"), self.keys)
        better = Assign(best, apply("min", best, line.key(turn * self.groups + group)))
        body = (
            Let(best, self.worst),
            For(turn, self.padded // self.groups, (better,)),
            *into.put(group, best, group),
        )
        return For(group, self.groups, body, Kind.vector)

    def _candidates(self, line: Line, into: Line, bound: Local, count: Local) -> list[Stmt]:
        """What is not worse than `bound`, as far as there is room, and how many there are."""
        equal, block = Local(self.names("e"), DType.i64), self.names.var()
        best, lane = Local(self.names("m"), self.keys), self.names.var()
        better = Assign(best, apply("min", best, line.key(block * BLOCK + lane)))

        def take(inner: Expr) -> tuple[Stmt, ...]:
            index = block * BLOCK + inner
            key = line.key(index)
            tie = apply("eq", key, bound)
            wanted = (key < bound) | (tie & (equal < self.op.k))
            there = count < self.groups
            stores = [Store(s.buffer, s.index, s.value, there) for s in into.put(count, key, index)]
            more = Assign(equal, equal + MATH.cast(tie, DType.i64))
            return (If(wanted, (*stores, more, Assign(count, count + 1))),)

        looked_at = (
            Let(best, self.worst),
            For(lane, BLOCK, (better,), Kind.vector, reduce=((best, "min"),)),
            If(best <= bound, (self.sorter.each(BLOCK, take),)),
        )
        return [
            self.sorter.each(self.groups, lambda i: into.put(i, self.worst, const(0)), Kind.vector),
            Let(count, const(0)),
            Let(equal, const(0)),
            For(block, self.padded // BLOCK, looked_at),
        ]


def _groups(k: int) -> int:
    """A power of two, so that groups are whole vectors."""
    return max(LEAST, 1 << (GROUPS * k - 1).bit_length())
