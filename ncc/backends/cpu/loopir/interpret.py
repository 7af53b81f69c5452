"""What a kernel means: nested loops executed one iteration after another, on numpy scalars."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.backends.cpu.loopir.loops import (
    Apply,
    Assign,
    Buffer,
    Const,
    Contract,
    Convert,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    Var,
)
from ncc.backends.cpu.loopir.panels import WORD_BITS, BlockPack
from ncc.backends.cpu.loopir.uses import postorder
from ncc.ir.scalar import FUNCTIONS, NUMPY

Array = npt.NDArray[Any]


def run_loops(kernel: Kernel, buffers: Sequence[Array]) -> None:
    """Execute `kernel` on arrays, one per parameter in order, of any shape with its size.

    An access outside a buffer is an assert; `for` over cores or lanes is a plain loop.
    """
    run = _Run()
    for buffer, array in zip(kernel.params, buffers, strict=True):
        assert array.size == buffer.size, f"{buffer.name} has {buffer.size} elements"
        assert array.flags.c_contiguous, buffer.name
        run.memory[buffer] = array.reshape(-1)
    for buffer in kernel.scratch:
        garbage = np.full(buffer.size * buffer.dtype.itemsize, 0xA5, np.uint8)
        run.memory[buffer] = garbage.view(buffer.dtype.numpy)
    with np.errstate(all="ignore"):
        run.statements(kernel.body)


class _Run:
    """The state of one execution."""

    def __init__(self) -> None:
        self.memory: dict[Buffer, Array] = {}
        self._values: dict[Var | Local, Any] = {}
        self._orders: dict[Expr, list[Expr]] = {}

    def statements(self, stmts: Sequence[Stmt]) -> None:
        for stmt in stmts:
            self._statement(stmt)

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let() | Assign():
                self._values[stmt.local] = self._evaluate(stmt.value)
            case Store():
                if stmt.guard is None or self._evaluate(stmt.guard):
                    self._store(stmt.buffer, self._evaluate(stmt.index), self._evaluate(stmt.value))
            case For():
                for position in range(stmt.extent):
                    self._values[stmt.var] = np.int64(position)
                    self.statements(stmt.body)
            case If():
                if self._evaluate(stmt.condition):
                    self.statements(stmt.body)
            case Contract():
                self._contract(stmt)

    def _contract(self, stmt: Contract) -> None:
        for rows in _positions([extent for _, extent in stmt.m]):
            self._values.update(zip((var for var, _ in stmt.m), rows, strict=True))
            for column in range(stmt.columns):
                self._values[stmt.n] = np.int64(column)
                self._values[stmt.acc] = self._product(stmt, column)
                self.statements(stmt.body)

    def _product(self, stmt: Contract, column: int) -> Any:
        """The sum of one row and column, added in order in the type of `acc`."""
        total = np.zeros((), stmt.acc.dtype.numpy)[()]
        for reduced in _positions([extent for _, extent in stmt.k]):
            self._values.update(zip((var for var, _ in stmt.k), reduced, strict=True))
            a, b = self._evaluate(stmt.a), self._factor(stmt, column, int(reduced[-1]))
            total = total + a.astype(total.dtype) * b.astype(total.dtype)
        return total

    def _factor(self, stmt: Contract, column: int, position: int) -> Any:
        """The right factor of a column at a position of the run."""
        pack, first = stmt.pack, int(self._evaluate(stmt.b.index))
        element = self._load(stmt.b.buffer, first + pack.offset(column, position))
        if not isinstance(pack, BlockPack):
            return element
        up = WORD_BITS - pack.bits * (position % pack.kr + 1)
        whole = (element << np.uint32(up)).view(np.int32) >> np.int32(WORD_BITS - pack.bits)
        rows = (first + pack.unit(column, number) for number in range(pack.units))
        scale, *point = (self._load(stmt.b.buffer, row).view(np.float32) for row in rows)
        return (whole.astype(np.float32) - sum(point, np.float32(0))) * scale

    def _evaluate(self, root: Expr) -> Any:
        if root not in self._orders:
            self._orders[root] = list(postorder([root]))
        known: dict[Expr, Any] = {}
        for expr in self._orders[root]:
            known[expr] = self._value(expr, known)
        return known[root]

    def _value(self, expr: Expr, known: dict[Expr, Any]) -> Any:
        match expr:
            case Const():
                return expr.dtype.numpy.type(expr.value)
            case Var() | Local():
                return self._values[expr]
            case Load():
                if expr.guard is None or known[expr.guard]:
                    return self._load(expr.buffer, int(known[expr.index]))
                return expr.dtype.numpy.type(0) if expr.other is None else known[expr.other]
            case Convert():
                change = NUMPY.bitcast if expr.bits else NUMPY.cast
                return change(known[expr.x], expr.dtype)[()]
            case Apply():
                result = FUNCTIONS[expr.fn](*(known[arg] for arg in expr.args))
                return np.asarray(result, expr.dtype.numpy)[()]
        raise AssertionError(f"unknown expression {expr}")

    def _load(self, buffer: Buffer, index: int) -> Any:
        return self._inside(buffer, index)[index]

    def _store(self, buffer: Buffer, index: Any, value: Any) -> None:
        self._inside(buffer, int(index))[index] = value

    def _inside(self, buffer: Buffer, index: int) -> Array:
        assert 0 <= index < buffer.size, f"{buffer.name}[{index}] of {buffer.size} elements"
        return self.memory[buffer]


def _positions(extents: Sequence[int]) -> itertools.product[tuple[np.int64, ...]]:
    """Every combination of loop positions, the last one fastest."""
    return itertools.product(*(map(np.int64, range(extent)) for extent in extents))
