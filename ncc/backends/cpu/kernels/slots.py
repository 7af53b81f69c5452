"""Rows that need memory to work in: in order within a few slots, which the cores share."""

from __future__ import annotations

from collections.abc import Callable

from ncc.backends.cpu.kernels.builder import KernelBuilder
from ncc.backends.cpu.kernels.sorting import Line
from ncc.backends.cpu.kernels.space import shared
from ncc.backends.cpu.loopir.loops import Buffer, Expr, For, Role, Stmt, apply, const
from ncc.backends.cpu.storage.views import dense_view
from ncc.ir.types import DType

MOST = 16
"""Slots, at most."""
MEMORY = 16 << 20
"""Bytes of all slots at most, unless a single one needs more."""


class Slots:
    """The slots for `count` rows of which each works in `nbytes`."""

    def __init__(self, build: KernelBuilder, count: int, nbytes: int) -> None:
        self._build, self._count = build, count
        slots = max(1, min(count, MOST, MEMORY // nbytes))
        self._turns = -(-count // slots)
        self.extent = -(-count // self._turns)
        self.slot = build.names.var()

    def room(self, dtype: DType, size: int) -> tuple[Buffer, Expr]:
        """Memory for `size` elements in each slot, and where that of this one begins."""
        view = dense_view(dtype, (self.extent, size))
        return self._build.bind(view, Role.output)[0], self.slot * size

    def line(self, keys: DType, size: int) -> Line:
        """A line of `size` elements in each slot."""
        (held, base), (places, _) = self.room(keys, size), self.room(DType.i32, size)
        return Line(held, places, base)

    def loop(self, body: Callable[[Expr], tuple[Stmt, ...]]) -> Stmt:
        """`body` for the number of each row; what the last slot has too many is the last again."""
        turn = self._build.names.var()
        row: Expr = self.slot * self._turns + turn
        if self.extent * self._turns > self._count:
            row = apply("min", row, const(self._count - 1))
        return shared(self.slot, self.extent, (For(turn, self._turns, body(row)),))
