"""The scalar at one index of a kernel's domain, as a loop expression."""

from __future__ import annotations

from collections.abc import Mapping

from ncc.backends.cpu.kernels.space import Loop, Names, Operand
from ncc.backends.cpu.loopir.loops import (
    Apply,
    Const,
    Expr,
    Let,
    Load,
    Local,
    LoopMath,
    Stmt,
    apply,
    const,
)
from ncc.ir.graph import Node, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.gather import Gather
from ncc.ir.types import DType

MATH = LoopMath()


class Scope:
    """A block of statements being written, the indices that hold in it, and what is known."""

    def __init__(self, at: Mapping[Loop, Expr], parent: Scope | None = None) -> None:
        self.at: dict[Loop, Expr] = dict(parent.at if parent else {}) | dict(at)
        self.parent = parent
        self.stmts: list[Stmt] = []
        self.known: dict[Value, Expr] = {}

    def beside(self, at: Mapping[Loop, Expr]) -> Scope:
        """A scope for another index, whose statements go to this block as well."""
        found = Scope(at, self)
        found.stmts = self.stmts
        return found

    def find(self, value: Value) -> Expr | None:
        """The expression of `value`, if this block or one around it has it."""
        scope: Scope | None = self
        while scope is not None:
            if value in scope.known:
                return scope.known[value]
            scope = scope.parent
        return None


class Evaluator:
    """Evaluates the values of a body inside scopes.

    `inputs` are the operands of the body's inputs, `tables` the (table, indices) operands of
    gathers. Values in `rows` do not change along a row: they are computed once, in the scope
    `row`. Values in `kept` are stored on their first sweep over the row and loaded on later ones.
    """

    def __init__(
        self,
        inputs: Mapping[Value, Operand],
        tables: Mapping[Node, tuple[Operand, Operand]],
        names: Names,
        *,
        row: Scope | None = None,
        rows: frozenset[Value] = frozenset(),
        kept: Mapping[Value, Operand] | None = None,
    ) -> None:
        self.inputs = inputs
        self.tables = tables
        self.names = names
        self.row = row
        self.rows = rows
        self.kept = kept or {}
        self._stored: set[Value] = set()
        self._storing: set[Value] = set()

    def end_sweep(self) -> None:
        """What the sweep just written stored may be loaded from now on."""
        self._stored |= self._storing
        self._storing.clear()

    def value(self, value: Value, scope: Scope) -> Expr:
        """`value` at the indices of `scope`, in its own element type."""
        known = scope.find(value)
        if known is not None:
            return known
        if self.row is not None and value in self.rows:
            home = self.row
            found = self._named(self._compute(value, home), home)
        else:
            home = scope
            found = self._swept(value, home)
        home.known[value] = found
        return found

    def _named(self, found: Expr, home: Scope) -> Expr:
        """A local for what is used inside loops but computed once around them."""
        if isinstance(found, Const | Local):
            return found
        local = Local(self.names("t"), found.dtype)
        home.stmts.append(Let(local, found))
        return local

    def _swept(self, value: Value, scope: Scope) -> Expr:
        if value in self._stored:
            return self.kept[value].load(scope.at)
        found = self._compute(value, scope)
        if value in self.kept:
            scope.stmts.append(self.kept[value].store(scope.at, found))
            self._storing.add(value)
        return found

    def _compute(self, value: Value, scope: Scope) -> Expr:
        if value.node is None:
            return self.inputs[value].load(scope.at)
        op = value.node.op
        if isinstance(op, Constant):
            return Const(op.value.array.reshape(()).item(), value.tensor.dtype)
        if isinstance(op, Gather):
            return self._gather(value.node, op, scope)
        assert isinstance(op, Elementwise), f"{op.name} is not computed pointwise"
        return self._pointwise(op, value, scope)

    def _pointwise(self, op: Elementwise, value: Value, scope: Scope) -> Expr:
        assert value.node is not None
        args = [self.value(operand, scope) for operand in value.node.operands]
        widened = [MATH.cast(arg, arg.dtype.compute) for arg in args]
        found = op.scalar(MATH, *widened)
        if not isinstance(found, Expr):
            found = Const(found, value.tensor.dtype.compute)
        return MATH.cast(found, value.tensor.dtype)

    def _gather(self, node: Node, op: Gather, scope: Scope) -> Expr:
        table, indices = self.tables[node]
        rows = node.operands[0].tensor.dims[op.axis]
        wanted = MATH.cast(indices.load(scope.at), DType.i64)
        inside = apply("max", apply("min", wanted, const(rows - 1)), const(0))
        axis_stride = table.strides[-1]
        return Load(table.buffer, table.index(scope.at, inside * axis_stride))


def widen(value: Expr) -> Expr:
    """`value` in the type that its arithmetic is done in."""
    return MATH.cast(value, value.dtype.compute)


def fma(a: Expr, b: Expr, c: Expr) -> Expr:
    """a * b + c, rounded once for floats."""
    if c.dtype.is_float:
        return Apply("fma", (a, b, c), c.dtype)
    return a * b + c
