"""Expressions as values: scalars, and vectors of the lanes in force.

A shared sub-expression is computed once per context. What does not vary between the lanes is
computed as a scalar and spread.
"""

from __future__ import annotations

from collections.abc import Callable

from ncc.backends.cpu import vecmath
from ncc.backends.cpu.emit.arithmetic import choose, primitive
from ncc.backends.cpu.emit.code import Code, Value
from ncc.backends.cpu.emit.convert import bitcast, convert
from ncc.backends.cpu.emit.environment import Environment, Lanes
from ncc.backends.cpu.emit.index import IndexEmitter
from ncc.backends.cpu.emit.types import constant
from ncc.backends.cpu.loopir.loops import Apply, Const, Convert, Expr, Load, Local, Var
from ncc.backends.cpu.target import Target
from ncc.ir.types import DType


class Expressions:
    """Evaluates expressions at the current point; `load` reads memory (see `Memory`)."""

    def __init__(
        self,
        code: Code,
        environment: Environment,
        index: IndexEmitter,
        load: Callable[[Load, int], Value],
        target: Target,
    ) -> None:
        self._code = code
        self._target = target
        self._environment = environment
        self._index = index
        self._load = load
        self._expanded: dict[Apply, Expr | None] = {}

    def scalar(self, expr: Expr) -> Value:
        """The value of `expr`; in lanes, that in the first lane."""
        return self._evaluate(expr, 0)

    def vector(self, expr: Expr) -> Value:
        """The value of `expr` in each of the lanes in force."""
        return self._evaluate(expr, self._lanes.width)

    def value(self, expr: Expr) -> Value:
        """A vector where lanes are in force, else a scalar."""
        return self.vector(expr) if self._environment.lanes else self.scalar(expr)

    @property
    def _lanes(self) -> Lanes:
        assert self._environment.lanes is not None, "no lanes are in force"
        return self._environment.lanes

    def _evaluate(self, root: Expr, width: int) -> Value:
        """Depth first without recursion: chains of fused operations are long."""
        stack = [root]
        while stack:
            expr = stack[-1]
            missing = [arg for arg in self._inputs(expr, width) if self._missing(arg, width)]
            if missing and self._missing(expr, width):
                stack += missing[::-1]
                continue
            stack.pop()
            if self._missing(expr, width):
                self._environment.remember(expr, width, self._compute(expr, width))
        return self._known(root, width)

    def _missing(self, expr: Expr, width: int) -> bool:
        return self._environment.recall(expr, width) is None

    def _known(self, expr: Expr, width: int) -> Value:
        value = self._environment.recall(expr, width)
        assert value is not None
        return value

    def _inputs(self, expr: Expr, width: int) -> tuple[Expr, ...]:
        """The expressions that `_compute` wants computed before."""
        if (width and not self._environment.varies(expr)) or self._is_index(expr):
            return ()
        if isinstance(expr, Convert):
            return (expr.x,)
        if not isinstance(expr, Apply):
            return ()
        expansion = self._expansion(expr)
        return expr.args if expansion is None else (expansion,)

    def _expansion(self, expr: Apply) -> Expr | None:
        if expr not in self._expanded:
            self._expanded[expr] = vecmath.expand(expr.fn, expr.args)
        return self._expanded[expr]

    def _is_index(self, expr: Expr) -> bool:
        """Whether `expr` is computed from its affine form."""
        if expr.dtype is not DType.i64:
            return False
        return isinstance(expr, Var) or not self._index.is_opaque(expr)

    def _compute(self, expr: Expr, width: int) -> Value:
        if isinstance(expr, Const):
            return constant(expr.value, expr.dtype, width)
        if width and not self._environment.varies(expr):
            return self._code.splat(self.scalar(expr), width)
        if isinstance(expr, Var) and not width:
            return self._environment.variables[expr]
        if self._is_index(expr):
            return self._sum(expr, width)
        match expr:
            case Local():
                return self._local(expr)
            case Load():
                return self._load(expr, width)
            case Convert():
                x = self._known(expr.x, width)
                if expr.bits:
                    return bitcast(self._code, x, expr.dtype)
                return convert(self._code, x, expr.x.dtype, expr.dtype, self._target)
            case Apply():
                return self._apply(expr, width)
        raise AssertionError(f"unknown expression {expr}")

    def _local(self, local: Local) -> Value:
        held = self._environment.locals[local]
        if isinstance(held, Value):
            return held
        return self._code.load(held.pointer, held.element, held.lanes)

    def _sum(self, expr: Expr, width: int) -> Value:
        form = self._index.form(expr)
        if not width:
            return self._index.first(form)
        word = "i32" if self._index.fits_word(form) else "i64"
        return self._code.resize(self._index.lanes(form, word), "i64")

    def _apply(self, expr: Apply, width: int) -> Value:
        expansion = self._expansion(expr)
        if expansion is not None:
            return self._known(expansion, width)
        args = [self._known(arg, width) for arg in expr.args]
        dtype = expr.args[-1].dtype
        if expr.fn in ("min", "max") and dtype.is_float:
            certain = [_is_number(arg) for arg in expr.args]
            if any(certain):
                return choose(self._code, expr.fn, *(args if certain[0] else args[::-1]))
        return primitive(self._code, expr.fn, dtype, args)


def _is_number(expr: Expr) -> bool:
    """Whether `expr` cannot be NaN."""
    if isinstance(expr, Const):
        return expr.value == expr.value  # false for NaN alone
    return isinstance(expr, Convert) and not expr.bits and not expr.x.dtype.is_float
