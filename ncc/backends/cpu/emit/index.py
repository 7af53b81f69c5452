"""Index arithmetic as instructions: i64 scalars, and lanes of 32 bits where those are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.arithmetic import primitive
from ncc.backends.cpu.emit.code import Code, Value, integer, literal, vector_literal
from ncc.backends.cpu.emit.environment import Environment
from ncc.backends.cpu.loopir.affine import Affine, Atom, Division, Indices, slope
from ncc.backends.cpu.loopir.loops import Apply, Expr, Var
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.expression import Expressions

_WORD = range(-(1 << 31), 1 << 31)


class IndexEmitter:
    """Emits affine forms; what is opaque in them is left to `expressions`."""

    def __init__(self, code: Code, environment: Environment, indices: Indices) -> None:
        self._code = code
        self._environment = environment
        self._indices = indices
        self.expressions: Expressions

    def form(self, expr: Expr) -> Affine:
        """The affine form of an i64 expression."""
        return self._indices.affine(expr)

    def is_opaque(self, expr: Expr) -> bool:
        """Whether the form of `expr` is nothing but `expr`."""
        return self.form(expr).terms == ((expr, 1),)

    def step(self, form: Affine) -> int | None:
        """Growth per active lane: 0, 1 or another constant; None when there is none."""
        lanes = self._environment.lanes
        assert lanes is not None
        return slope(form, lanes.window, self._environment.varies)

    def fits_word(self, form: Affine) -> bool:
        """Whether every value of `form` is an i32."""
        bounds = self._indices.bounds(form)
        return bounds is not None and bounds[0] in _WORD and bounds[1] in _WORD

    # Scalars.

    def first(self, form: Affine) -> Value:
        """The value, in lanes that of the first one, as i64; outer variables are added first."""
        total = None
        for atom, factor in form.terms:
            part = self._scaled(self._first_atom(atom), factor)
            total = part if total is None else self._code.binary("add", total, part)
        if total is None:
            return integer(form.const)
        return self._code.add(total, form.const)

    def _scaled(self, x: Value, factor: int) -> Value:
        if factor == 1:
            return x
        return self._code.binary("mul", x, literal(factor, x.element, x.lanes))

    def _first_atom(self, atom: Atom) -> Value:
        if isinstance(atom, Division):
            opcode = "udiv" if atom.fn == "div" else "urem"
            return self._code.binary(opcode, self.first(atom.inner), integer(atom.by))
        return self.expressions.scalar(atom)

    # Lanes.

    def lanes(self, form: Affine, element: str) -> Value:
        """The value in every lane, in integers of `element`, modulo their size."""
        lanes = self._environment.lanes
        assert lanes is not None
        even = tuple(term for term in form.terms if not self._atom_varies(term[0]))
        along = form.coefficient(lanes.var)
        origin = Affine((*even, *(((lanes.var, along),) if along else ())), form.const)
        first = self._code.resize(self.first(origin), element)
        total = self._code.splat(first, lanes.width)
        if along:
            steps = vector_literal([along * lane for lane in range(lanes.width)], element)
            total = self._code.binary("add", total, steps)
        for atom, factor in form.terms:
            if atom is not lanes.var and self._atom_varies(atom):
                part = self._scaled(self._atom_lanes(atom, element), factor)
                total = self._code.binary("add", total, part)
        return total

    def _atom_varies(self, atom: Atom) -> bool:
        if isinstance(atom, Division):
            return any(self._atom_varies(inner) for inner, _ in atom.inner.terms)
        return self._environment.varies(atom)

    def _atom_lanes(self, atom: Atom, element: str) -> Value:
        if isinstance(atom, Division):
            return self._division_lanes(atom, element)
        if isinstance(atom, Apply) and atom.fn in _CHOICES and self._args_fit(atom):
            args = [self.lanes(self.form(arg), element) for arg in atom.args[-2:]]
            if atom.fn == "where":
                args.insert(0, self.expressions.vector(atom.args[0]))
            return primitive(self._code, atom.fn, DType.i64, args)
        assert not isinstance(atom, Var)
        return self._code.resize(self.expressions.vector(atom), element)

    def _args_fit(self, expr: Apply) -> bool:
        return all(self.fits_word(self.form(arg)) for arg in expr.args[-2:])

    def _division_lanes(self, division: Division, element: str) -> Value:
        kind = "i32" if self.fits_word(division.inner) else "i64"
        inner = self.lanes(division.inner, kind)
        opcode = "udiv" if division.fn == "div" else "urem"
        by = literal(division.by, kind, inner.lanes)
        return self._code.resize(self._code.binary(opcode, inner, by), element)


_CHOICES = ("min", "max", "where")
