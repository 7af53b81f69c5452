"""Matrices copied into panels while a model runs: the right operands that are computed.

A panel holds columns side by side. Where rows of the matrix lie side by side instead, it is
transposed in registers, a square of lanes at a time. Two bf16 rows make one 32-bit element.
"""

from __future__ import annotations

from dataclasses import replace

from ncc.backends.cpu.kernels.pack import PackPanels
from ncc.backends.cpu.kernels.space import Names
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Const,
    Convert,
    Expr,
    For,
    Kind,
    Load,
    Stmt,
    Store,
    apply,
)
from ncc.backends.cpu.storage.views import View
from ncc.ir.types import DType


class Filling:
    """How matrices [..., K, N] of `right` are put in panels of `op`.

    K is `outer` runs of `run` rows; each becomes one of `packed` rows, those beyond zeros.
    """

    def __init__(
        self, right: View, outer: int, run: int, op: PackPanels, lanes: int, packed: int
    ) -> None:
        self.op = op
        self.outer = outer
        self.run = run
        self.lanes = lanes
        self.steps = -(-packed // op.kr)
        self.columns = right.shape[-1]
        self.panels = -(-self.columns // op.nr)
        pairs = _as_pairs(right) if op.kr == 2 and not run % 2 else None
        self.paired = pairs is not None
        self.view = pairs or right
        """What is read: of pairs, half as many rows."""

    @property
    def rows(self) -> int:
        """Rows of a run as they are read."""
        return self.run // 2 if self.paired else self.run

    @property
    def group(self) -> int:
        """Elements of the panels of one matrix, as they are stored."""
        return self.panels * self.outer * self.steps * self.op.nr

    def stored(self, flat: View) -> View:
        """The memory of the panels in the elements that are stored."""
        if self.op.kr == 1:
            return flat
        return replace(flat, dtype=DType.u32, shape=(flat.size // 2,))

    def panel(
        self, source: Buffer, at: Expr, panel: Expr, target: Buffer, into: Expr, names: Names
    ) -> Stmt:
        """Copy panel number `panel` of the matrix that starts at `at` to `into`."""
        write = self._across if self._lies_across() else self._along
        return write(source, at, panel, target, into, names)

    def _lies_across(self) -> bool:
        *_, row, column = self.view.strides
        whole = self._width == 1 and self.outer == 1 and self.steps == self.rows
        return whole and row == 1 != column and self.rows >= self.lanes // 2

    def _across(
        self, source: Buffer, at: Expr, panel: Expr, target: Buffer, into: Expr, names: Names
    ) -> Stmt:
        """Vectors of rows, of as many columns as there are lanes, stored across each other."""
        step, square = names.var(), names.var()
        first = square * self.lanes
        stores = []
        for lane in range(self.lanes):
            column = panel * self.op.nr + first + lane
            value = self._element(source, at, step, column, None)
            stores.append(Store(target, into + step * self.op.nr + first + lane, value))
        body: Stmt = For(step, self.rows, tuple(stores), Kind.vector)
        return For(square, self.op.nr // self.lanes, (body,))

    def _along(
        self, source: Buffer, at: Expr, panel: Expr, target: Buffer, into: Expr, names: Names
    ) -> Stmt:
        """Vectors of columns."""
        step, lane = names.var(), names.var()
        value = self._value(source, at, step, panel * self.op.nr + lane)
        store = Store(target, into + step * self.op.nr + lane, value)
        body: Stmt = For(lane, self.op.nr, (store,), Kind.vector)
        return For(step, self.outer * self.steps, (body,))

    @property
    def _width(self) -> int:
        """Rows as they are read that one step takes."""
        return 1 if self.paired else self.op.kr

    def _value(self, source: Buffer, at: Expr, step: Expr, column: Expr) -> Expr:
        if self._width == 1:
            return self._row(source, at, step, 0, column)
        halves = []
        for half in (0, 1):
            bits = Convert(self._row(source, at, step, half, column), DType.u16, bits=True)
            halves.append(Convert(bits, DType.u32))
        return halves[0] | apply("shl", halves[1], Const(16, DType.u32))

    def _row(self, source: Buffer, at: Expr, step: Expr, half: int, column: Expr) -> Expr:
        """The element in row number `half` of those that `step` takes."""
        if self.steps * self._width == self.rows:
            return self._element(source, at, step * self._width + half, column, None)
        outer, place = (step // self.steps, step % self.steps) if self.outer > 1 else (0, step)
        place = place * self._width + half
        short = (self.steps - 1) * self._width + half >= self.rows
        there = place < self.rows if short else None
        return self._element(source, at, outer * self.rows + place, column, there)

    def _element(
        self, source: Buffer, at: Expr, row: Expr, column: Expr, there: Expr | None
    ) -> Expr:
        inside = None if self.columns % self.op.nr == 0 else column < self.columns
        guard = _both(inside, there)
        index = at + row * self.view.strides[-2] + column * self.view.strides[-1]
        return Load(source, index, guard, guard and Const(0, self.view.dtype))


def _both(a: Expr | None, b: Expr | None) -> Expr | None:
    return a & b if a is not None and b is not None else a or b


def _as_pairs(right: View) -> View | None:
    """Two neighbouring rows as one 32-bit element, where they lie so in memory."""
    *others, row, column = right.strides
    even = all(s % 2 == 0 for s in (*others, column, right.offset, right.low))
    if row != 1 or right.shape[-2] % 2 or not even:
        return None
    return replace(
        right,
        dtype=DType.u32,
        shape=(*right.shape[:-2], right.shape[-2] // 2, right.shape[-1]),
        strides=(*(s // 2 for s in others), 1, column // 2),
        offset=right.offset // 2,
    )
