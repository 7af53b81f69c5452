"""Kernels that keep the best boxes that do not overlap much: greedily, class by class.

The boxes of a class that score enough are sorted, by a sort that is as long as they may be many,
and taken best first; one is kept unless a box kept before overlaps it too much. Boxes kept lie
side by side, so that a vector of them is compared with a box at once. Classes are shared by the
cores; a second kernel puts what they kept in one list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH
from ncc.backends.cpu.kernels.slots import Slots
from ncc.backends.cpu.kernels.sorting import Line, Sorter, key_of, worst_key
from ncc.backends.cpu.kernels.space import Operand
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Buffer,
    Const,
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
    Var,
    apply,
    const,
)
from ncc.backends.cpu.storage.views import View, dense_view
from ncc.diagnostics import Locs
from ncc.ir.ops.non_max_suppression import KeptBoxes
from ncc.ir.types import DType

BLOCK = 64
"""Boxes that are passed over at once where there is nothing to do."""
STRETCH = 16
"""Blocks that are passed over at once."""
LENGTHS = (128, 1024)
"""Of sorts for fewer boxes than all."""
CORNERS = 4
"""Numbers of the low and the high corner of a box; its area comes after them."""


def suppress(
    op: KeptBoxes, operands: Sequence[View], results: Sequence[View], locs: Locs
) -> tuple[Call, Call]:
    """The calls that write the rows of the boxes kept, and how many they are."""
    batch, classes, _ = operands[1].shape
    picked = dense_view(DType.i32, (batch * classes, op.most))
    counts = dense_view(DType.i64, (batch * classes,))
    first, second = KernelBuilder(), KernelBuilder()
    keeping = _Keeping(op, operands, (picked, counts), first).kernel()
    listing = _Listing(classes, (picked, counts), results, second).kernel()
    return first.finish((keeping,), locs), second.finish(listing, locs)


def _whole(size: int) -> int:
    """So many elements, in whole stretches."""
    return -(-size // (BLOCK * STRETCH)) * (BLOCK * STRETCH)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Boxes kept of a class: five numbers of each, side by side in `buffer` from `base` on."""

    buffer: Buffer
    base: Expr
    size: int

    def at(self, number: int, index: Expr) -> Expr:
        return self.base + index + number * self.size

    def put(self, index: Expr, box: Sequence[Expr]) -> tuple[Stmt, ...]:
        numbers = enumerate(box)
        return tuple(Store(self.buffer, self.at(n, index), value) for n, value in numbers)

    def box(self, index: Expr) -> list[Expr]:
        return [Load(self.buffer, self.at(number, index)) for number in range(CORNERS + 1)]


class _Keeping:
    """Writes the kernel that finds the boxes of each class."""

    def __init__(
        self,
        op: KeptBoxes,
        operands: Sequence[View],
        results: Sequence[View],
        build: KernelBuilder,
    ) -> None:
        self.op, self.names = op, build.names
        bound = [Operand(*build.bind(view, Role.input), view.strides) for view in operands]
        self.boxes, self.scores, *limits = bound
        self.overlap, self.score = (Load(limit.buffer, const(limit.base)) for limit in limits)
        self.picked, self.counts = (build.bind(view, Role.output)[0] for view in results)
        batch, self.classes, self.size = operands[1].shape
        self.length, self.room = _whole(self.size), _whole(op.most)
        held = 2 * self.length * 8 + self.room * 4 * (CORNERS + 1)
        self.slots = Slots(build, batch * self.classes, held)
        self.sorter = Sorter(build)

    def kernel(self) -> Stmt:
        return self.slots.loop(self._class)

    def _class(self, row: Expr) -> tuple[Stmt, ...]:
        line, other = (self.slots.line(DType.u32, self.length) for _ in range(2))
        kept = _Kept(*self.slots.room(DType.f32, self.room * (CORNERS + 1)), self.room)
        batch, klass = row // self.classes, row % self.classes
        score = batch * self.scores.strides[0] + klass * self.scores.strides[1]
        found, count = (Local(self.names("n"), DType.i64) for _ in range(2))
        return (
            Let(found, const(0)),
            self._scoring(line, score + self.scores.base, found),
            *self._sorts(line, other, found),
            Let(count, const(0)),
            self._boxes(line, kept, (row, batch), found, count),
            Store(self.counts, row, count),
        )

    def _stretches(
        self, size: int, wanted: Callable[[Expr], Expr], body: Callable[[Expr], tuple[Stmt, ...]]
    ) -> Stmt:
        """`body` for the number of each block of `size` elements whose first one is `wanted`."""
        outer, inner = self.names.var(), self.names.var()
        number = outer * STRETCH + inner
        here = If(wanted(number * BLOCK), body(number))
        stretch = If(wanted(outer * (STRETCH * BLOCK)), (For(inner, STRETCH, (here,)),))
        return For(outer, size // (STRETCH * BLOCK), (stretch,))

    # Boxes that score enough.

    def _scoring(self, line: Line, start: Expr, found: Local) -> Stmt:
        """Their keys and places, and how many they are."""
        block, lane = self.names.var(), self.names.var()
        some = Local(self.names("s"), DType.i32)

        def scored(index: Expr) -> tuple[Expr, Expr]:
            there = index < self.size
            value = Load(self.scores.buffer, start + index * self.scores.strides[2], there)
            return value, there & (value > self.score)

        def take(inner: Expr) -> tuple[Stmt, ...]:
            index = block * BLOCK + inner
            value, enough = scored(index)
            stores = line.put(found, key_of(value, largest=True), index)
            return (If(enough, (*stores, Assign(found, found + 1))),)

        enough = MATH.cast(scored(block * BLOCK + lane)[1], some.dtype)
        look = Assign(some, apply("max", some, enough))
        body = (
            Let(some, const(0, some.dtype)),
            For(lane, BLOCK, (look,), Kind.vector, reduce=((some, "max"),)),
            If(some > 0, (self.sorter.each(BLOCK, take),)),
        )
        return For(block, -(-self.size // BLOCK), body)

    def _sorts(self, line: Line, other: Line, found: Local) -> list[Stmt]:
        """One sort, which leaves the boxes in `line`: the shortest that holds all of them."""
        stmts: list[Stmt] = []
        before = 1
        for length in [*(size for size in LENGTHS if size < self.size), self.size]:
            sort, result = self.sorter.sort(line, other, length)
            if result is not line:
                sort.append(self.sorter.each(length, lambda i: line.take(i, other), Kind.vector))
            inside = (found > before) & (found <= length)
            stmts.append(If(inside, (self._nothing(line, found, length), *sort)))
            before = length
        return stmts

    def _nothing(self, line: Line, found: Local, length: int) -> Stmt:
        """The worst keys after those found."""
        index = self.names.var()
        store = Store(line.keys, line.base + index, worst_key(DType.f32), index >= found)
        return For(index, length, (store,), Kind.vector)

    # Boxes, best first.

    def _boxes(
        self, line: Line, kept: _Kept, of: tuple[Expr, Expr], found: Local, count: Local
    ) -> Stmt:
        def more(index: Expr) -> Expr:
            return (index < found) & (count < self.op.most)

        def block(number: Expr) -> tuple[Stmt, ...]:
            inner = self.names.var()
            index = number * BLOCK + inner
            return (For(inner, BLOCK, (If(more(index), self._box(line, kept, of, index, count)),)),)

        return self._stretches(self.length, more, block)

    def _box(
        self, line: Line, kept: _Kept, of: tuple[Expr, Expr], index: Expr, count: Local
    ) -> tuple[Stmt, ...]:
        """Keep a box, or not."""
        row, batch = of
        place, hit = Local(self.names("p"), DType.i64), Local(self.names("h"), DType.i32)
        box = [Local(self.names("x"), DType.f32) for _ in range(CORNERS + 1)]
        values = self._corners(batch, place)
        keep = (
            If(apply("eq", count % BLOCK, 0), (self._empty(kept, count),)),
            *kept.put(count, box),
            Store(self.picked, row * self.op.most + count, MATH.cast(place, DType.i32)),
            Assign(count, count + 1),
        )
        return (
            Let(place, line.place(index)),
            *(Let(local, value) for local, value in zip(box, values, strict=True)),
            Let(hit, const(0, hit.dtype)),
            self._compared(kept, box, hit, count),
            If(apply("eq", hit, 0), keep),
        )

    def _corners(self, batch: Expr, place: Expr) -> list[Expr]:
        """The low and the high corner of a box, and its area."""
        start = batch * self.boxes.strides[0] + place * self.boxes.strides[1] + self.boxes.base
        a, b, c, d = (
            Load(self.boxes.buffer, start + number * self.boxes.strides[2]) for number in range(4)
        )
        if self.op.center_point_box:
            half = (c / 2.0, d / 2.0)
            low, high = (a - half[0], b - half[1]), (a + half[0], b + half[1])
        else:
            low = apply("min", a, c), apply("min", b, d)
            high = apply("max", a, c), apply("max", b, d)
        return [*low, *high, (high[0] - low[0]) * (high[1] - low[1])]

    def _empty(self, kept: _Kept, first: Expr) -> Stmt:
        """A block of boxes without extent, which overlap none."""
        lane = self.names.var()
        nothing = [Const(0.0, DType.f32)] * (CORNERS + 1)
        return For(lane, BLOCK, kept.put(first + lane, nothing), Kind.vector)

    def _compared(self, kept: _Kept, box: Sequence[Local], hit: Local, count: Local) -> Stmt:
        """Set `hit` if a box kept overlaps `box` too much."""

        def still(first: Expr) -> Expr:
            return (first < count) & apply("eq", hit, 0)

        def block(number: Expr) -> tuple[Stmt, ...]:
            lane = self.names.var()
            other = kept.box(number * BLOCK + lane)
            over = MATH.cast(self._overlaps(other, box), hit.dtype)
            look = Assign(hit, apply("max", hit, over))
            return (For(lane, BLOCK, (look,), Kind.vector, reduce=((hit, "max"),)),)

        return self._stretches(self.room, still, block)

    def _overlaps(self, a: Sequence[Expr], b: Sequence[Expr]) -> Expr:
        sides = [
            apply("max", apply("min", a[n + 2], b[n + 2]) - apply("max", a[n], b[n]), 0.0)
            for n in range(2)
        ]
        shared = sides[0] * sides[1]
        return (shared > 0.0) & (shared / (a[CORNERS] + b[CORNERS] - shared) > self.overlap)


class _Listing:
    """Writes the kernel that puts the boxes of all classes into one list."""

    def __init__(
        self,
        classes: int,
        found: Sequence[View],
        results: Sequence[View],
        build: KernelBuilder,
    ) -> None:
        self.names, self.classes = build.names, classes
        self.groups, self.most = found[0].shape
        self.picked, self.counts = (build.bind(view, Role.input)[0] for view in found)
        self.rows, self.count = (
            Operand(*build.bind(view, Role.output), view.strides) for view in results
        )

    def kernel(self) -> tuple[Stmt, ...]:
        total, group, lane = Local(self.names("n"), DType.i64), self.names.var(), self.names.var()
        row = (group // self.classes, group % self.classes, self._picked(group, lane))
        wanted = lane < Load(self.counts, group)
        stores = tuple(self._store(total + lane, n, value, wanted) for n, value in enumerate(row))
        body = (
            For(lane, self.most, stores, Kind.vector),
            Assign(total, total + Load(self.counts, group)),
        )
        return (
            Let(total, const(0)),
            self._nothing(self.names.var()),
            For(group, self.groups, body),
            Store(self.count.buffer, const(self.count.base), total),
        )

    def _picked(self, group: Var, lane: Var) -> Expr:
        return MATH.cast(Load(self.picked, group * self.most + lane), DType.i64)

    def _nothing(self, row: Var) -> Stmt:
        """Zeros in all rows: those that hold no box stay so."""
        stores = tuple(self._store(row, number, const(0)) for number in range(3))
        return For(row, self.groups * self.most, stores, Kind.vector)

    def _store(self, row: Expr, number: int, value: Expr, guard: Expr | None = None) -> Store:
        at = row * self.rows.strides[0] + (number * self.rows.strides[1] + self.rows.base)
        return Store(self.rows.buffer, at, value, guard)
