"""One kernel as an LLVM function: statements and serial, parallel and unrolled loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ncc.backends.cpu.emit import vector
from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.contraction.contract import emit_contract
from ncc.backends.cpu.emit.environment import Environment, Slot
from ncc.backends.cpu.emit.expression import Expressions
from ncc.backends.cpu.emit.index import IndexEmitter
from ncc.backends.cpu.emit.interleave import Interleaving, Run
from ncc.backends.cpu.emit.memory import Memory
from ncc.backends.cpu.emit.scan import Scan
from ncc.backends.cpu.emit.types import stored
from ncc.backends.cpu.loopir.affine import Indices
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Contract,
    For,
    If,
    Kernel,
    Kind,
    Let,
    Local,
    Stmt,
    Store,
    Var,
    walk,
)
from ncc.backends.cpu.loopir.uses import changes
from ncc.backends.cpu.target import Target


class FunctionEmitter:
    """Emits statements at the end of the current block of `code`.

    `environment` knows the variables and the lanes in force; `expressions` evaluates;
    `memory` reads and writes buffers. `core` and `cores` are the function's arguments.
    """

    def __init__(self, kernel: Kernel, target: Target) -> None:
        self.target = target
        self.code = Code()
        self.environment = Environment()
        self.indices = Indices(kernel)
        self.index = IndexEmitter(self.code, self.environment, self.indices)
        self.memory = Memory(self.code, self.environment, self.index)
        self.expressions = Expressions(
            self.code, self.environment, self.index, self.memory.load, target
        )
        self.index.expressions = self.memory.expressions = self.expressions
        self.interleaving = Interleaving(
            self.code, self.environment, self.index, self.memory, target
        )
        self.scans: dict[Local, Scan] = {}
        """The locals that the vector loop around scans."""
        self._assigned = {stmt.local for stmt in walk(kernel.body) if isinstance(stmt, Assign)}
        self.core, self.cores = Value("%core", "i64"), Value("%cores", "i64")
        for position, buffer in enumerate(kernel.params):
            self.environment.pointers[buffer] = Value(f"%p{position}", "ptr")
        for buffer in kernel.scratch:
            pointer = self.code.allocate(stored(buffer.dtype), count=buffer.size)
            self.environment.pointers[buffer] = pointer

    # Statements.

    def statements(self, stmts: Sequence[Stmt]) -> None:
        """Execute `stmts` in order, in the lanes in force if there are any."""
        for stmt in self.interleaving.grouped(stmts):
            if isinstance(stmt, Run):
                self.interleaving.store(stmt)
            else:
                self._statement(stmt)

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let():
                self.declare(stmt.local, self._first_value(stmt))
            case Assign():
                self.assign(stmt.local, self.expressions.value(stmt.value))
            case Store():
                self.memory.store(stmt)
                self.environment.change([stmt.buffer])
            case For():
                self._loop_statement(stmt)
            case If():
                condition = self.expressions.scalar(stmt.condition)
                with self.code.when(condition), self.environment.scope():
                    self.statements(stmt.body)
            case Contract():
                emit_contract(self, stmt)

    # Locals.

    def _first_value(self, stmt: Let) -> Value:
        """A vector in lanes, but for a local that is the same in all of them and stays so."""
        even = stmt.local not in self._assigned and not self.environment.varies(stmt.value)
        return (self.expressions.scalar if even else self.expressions.value)(stmt.value)

    def declare(self, local: Local, value: Value) -> None:
        """Give `local` a first value, and a place of that shape if it ever changes."""
        self.environment.change([local])
        if local not in self._assigned:
            self.environment.locals[local] = value
            return
        pointer = self.code.allocate(value.element, value.lanes)
        self.environment.locals[local] = Slot(pointer, value.element, value.lanes)
        self.code.store(value, pointer)

    def assign(self, local: Local, value: Value) -> None:
        """Give `local` a new value, in the lanes in force."""
        slot, lanes = self.environment.locals[local], self.environment.lanes
        if lanes is not None and local in self.scans:
            self.scans[local].assign(value, lanes.active)
            return
        assert isinstance(slot, Slot), f"{local.name} changes"
        if slot.masked and lanes is not None and lanes.mask is not None:
            before = self.code.load(slot.pointer, slot.element, slot.lanes)
            value = self.code.select(lanes.mask, value, before)
        self.code.store(value, slot.pointer)
        self.environment.change([local])

    # Loops.

    def _loop_statement(self, stmt: For) -> None:
        if stmt.extent == 0:
            return
        if stmt.kind is Kind.parallel:
            with self.share(stmt.extent) as (first, end):
                self._loop(stmt, first, end)
        elif stmt.extent == 1:
            self._iteration(stmt, 0)
        elif stmt.kind is Kind.vector:
            vector.emit_vector_loop(self, stmt)
        elif stmt.kind is Kind.unrolled:
            for position in range(stmt.extent):
                self._iteration(stmt, position)
        else:
            self._loop(stmt, integer(0), integer(stmt.extent))

    def _iteration(self, stmt: For, position: int) -> None:
        with self.environment.bound(stmt.var, integer(position)):
            self.statements(stmt.body)

    def _loop(self, stmt: For, first: Value, end: Value) -> None:
        with self.loop(stmt.body, first, end) as i, self.environment.bound(stmt.var, i):
            self.statements(stmt.body)

    @contextmanager
    def loop(
        self, body: Sequence[Stmt], first: Value | int, end: Value | int, step: int = 1
    ) -> Iterator[Value]:
        """A loop entered at least once, inside which `body` is emitted; yields the counter."""
        self.environment.change(changes(body))
        with self.code.loop(first, end, step) as i, self.environment.scope():
            yield i

    @contextmanager
    def share(self, extent: int) -> Iterator[tuple[Value, Value]]:
        """Code for this core's part of range(extent), if it has one; yields first and end."""
        with self.part(integer(extent), self.core, self.cores) as numbers:
            yield numbers

    @contextmanager
    def part(self, extent: Value, core: Value, cores: Value) -> Iterator[tuple[Value, Value]]:
        """The same for one core of some that share a range among themselves."""
        first = self._share_start(extent, core, cores)
        end = self._share_start(extent, self.code.binary("add", core, integer(1)), cores)
        some = self.code.compare("icmp ult", first, end)
        with self.code.when(some), self.environment.scope():
            yield first, end

    def _share_start(self, extent: Value, core: Value, cores: Value) -> Value:
        return self.code.binary("udiv", self.code.binary("mul", core, extent), cores)

    @contextmanager
    def bound(self, var: Var, value: Value | int) -> Iterator[None]:
        """`var` has this value inside."""
        with self.environment.bound(var, integer(value)):
            yield
