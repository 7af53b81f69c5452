"""Index arithmetic as sums: const + sum of coefficient * atom, divisions resolved where proven.

    (i * 64 + v) // 64, v < 64        ->  i
    (i * 64 + v) % 8                  ->  v % 8

Atoms are loop variables, divisions that could not be resolved, and any other expression.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ncc.backends.cpu.loopir.loops import (
    Apply,
    Const,
    Contract,
    Convert,
    Expr,
    For,
    Kernel,
    Var,
    walk,
)
from ncc.ir.types import DType

Bounds = tuple[int, int] | None
"""Least and greatest value, or None when unknown."""


@dataclass(frozen=True, slots=True)
class Division:
    """`inner // by` (fn "div") or `inner % by` (fn "fmod"), with inner >= 0 and by > 0.

    A quotient of a quotient is one quotient.
    """

    fn: str
    inner: Affine
    by: int


def quotient(inner: Affine, by: int) -> Division:
    """`inner // by`, for inner >= 0."""
    match inner:
        case Affine(((Division("div", deeper, more), 1),), 0):
            return Division("div", deeper, more * by)
    return Division("div", inner, by)


Atom = Expr | Division
Terms = tuple[tuple[Atom, int], ...]


@dataclass(frozen=True, slots=True)
class Affine:
    """const + sum(coefficient * atom); atoms differ, outer loop variables come first."""

    terms: Terms
    const: int = 0

    def coefficient(self, atom: Atom) -> int:
        """What `atom` is multiplied by; 0 when it does not occur."""
        return next((factor for known, factor in self.terms if known == atom), 0)


class Indices:
    """Affine forms of the index expressions of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.extents = loop_extents(kernel)
        self._order = {var: position for position, var in enumerate(self.extents)}
        self._forms: dict[Expr, Affine] = {}

    def affine(self, expr: Expr) -> Affine:
        """The form of an i64 expression."""
        if expr not in self._forms:
            self._forms[expr] = self._form(expr)
        return self._forms[expr]

    def _form(self, expr: Expr) -> Affine:
        if isinstance(expr, Const):
            return Affine((), int(expr.value))
        if not isinstance(expr, Apply) or expr.fn not in _LINEAR:
            return Affine(((expr, 1),))
        if expr.fn == "neg":
            return self._scaled(self.affine(expr.args[0]), -1)
        a, b = (self.affine(arg) for arg in expr.args)
        if expr.fn in ("add", "sub"):
            return self._sum(a, b if expr.fn == "add" else self._scaled(b, -1))
        if expr.fn == "mul" and (not a.terms or not b.terms):
            return self._scaled(b, a.const) if not a.terms else self._scaled(a, b.const)
        if expr.fn in ("div", "fmod") and not b.terms and b.const > 0:
            return self._divided(expr, a, b.const)
        return Affine(((expr, 1),))

    def _divided(self, expr: Apply, a: Affine, by: int) -> Affine:
        """a = by * quotient + rest; the rest vanishes or stays alone when it is below `by`."""
        bounds = self.bounds(a)
        if bounds is None or bounds[0] < 0:
            return Affine(((expr, 1),))
        whole = Affine(tuple((x, f // by) for x, f in a.terms if f % by == 0), a.const // by)
        rest = Affine(tuple((x, f) for x, f in a.terms if f % by), a.const % by)
        inside = self.bounds(rest)
        if inside is None or inside[0] < 0:
            return Affine(((_division(expr.fn, a, by), 1),))
        if inside[1] < by:
            return whole if expr.fn == "div" else rest
        part = Affine(((_division(expr.fn, rest, by), 1),))
        return self._sum(whole, part) if expr.fn == "div" else part

    def _sum(self, a: Affine, b: Affine) -> Affine:
        factors = dict(a.terms)
        for atom, factor in b.terms:
            factors[atom] = factors.get(atom, 0) + factor
        kept = [(atom, factor) for atom, factor in factors.items() if factor]
        kept.sort(key=lambda term: self._depth(term[0]))
        return Affine(tuple(kept), a.const + b.const)

    def _depth(self, atom: Atom) -> int:
        """Where the innermost variable of `atom` stands among the loops."""
        if isinstance(atom, Division):
            return max((self._depth(inner) for inner, _ in atom.inner.terms), default=-1)
        return self._order.get(atom, len(self._order)) if isinstance(atom, Var) else 1 << 30

    @staticmethod
    def _scaled(a: Affine, by: int) -> Affine:
        if by == 0:
            return Affine(())
        return Affine(tuple((atom, factor * by) for atom, factor in a.terms), a.const * by)

    # Bounds.

    def bounds(self, form: Affine) -> Bounds:
        """The values that `form` can take."""
        low = high = form.const
        for atom, factor in form.terms:
            inside = self.atom_bounds(atom)
            if inside is None:
                return None
            ends = sorted((inside[0] * factor, inside[1] * factor))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def atom_bounds(self, atom: Atom) -> Bounds:
        """The values that one atom can take."""
        if isinstance(atom, Division):
            inside = self.bounds(atom.inner)
            assert inside is not None, "divisions are made of bounded sums"
            if atom.fn == "div":
                return inside[0] // atom.by, inside[1] // atom.by
            return 0, min(inside[1], atom.by - 1)
        if isinstance(atom, Var):
            return 0, self.extents[atom] - 1
        if isinstance(atom, Convert) and not atom.bits:
            return _range_of(atom.x.dtype)
        if isinstance(atom, Apply) and atom.fn in ("min", "max", "where"):
            return self._choice_bounds(atom)
        return None

    def _choice_bounds(self, expr: Apply) -> Bounds:
        known = [self.bounds(self.affine(arg)) for arg in expr.args[-2:]]
        both = [bounds for bounds in known if bounds is not None]
        if len(both) < 2:
            return None
        (low, high), (low2, high2) = both
        pick = {"min": (min, min), "max": (max, max), "where": (min, max)}[expr.fn]
        return pick[0](low, low2), pick[1](high, high2)


def _division(fn: str, inner: Affine, by: int) -> Division:
    return quotient(inner, by) if fn == "div" else Division(fn, inner, by)


_LINEAR = {"add", "sub", "mul", "div", "fmod", "neg"}


def _range_of(dtype: DType) -> Bounds:
    if dtype is DType.bool:
        return 0, 1
    if not dtype.is_int or dtype.itemsize > 4:
        return None
    bits = 8 * dtype.itemsize
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.is_signed_int else (0, (1 << bits) - 1)


def loop_extents(kernel: Kernel) -> dict[Var, int]:
    """Every loop variable of `kernel` with its extent, outer before inner."""
    extents: dict[Var, int] = {}
    for stmt in walk(kernel.body):
        if isinstance(stmt, For):
            extents[stmt.var] = stmt.extent
        elif isinstance(stmt, Contract):
            extents.update((*stmt.m, (stmt.n, stmt.columns), *stmt.k))
    return extents


@dataclass(frozen=True, slots=True)
class Window:
    """`count` neighbouring values of `var`, the first of them a multiple of `multiple`.

    A `multiple` of 0 means that the first is 0.
    """

    var: Var
    count: int
    multiple: int


def slope(form: Affine, window: Window, varies: Callable[[Expr], bool]) -> int | None:
    """How much `form` grows per step of the window: a constant, or None.

    `varies` tells of each opaque atom whether it changes within the window.
    """
    total = 0
    for atom, factor in form.terms:
        step = _atom_slope(atom, window, varies)
        if step is None:
            return None
        total += factor * step
    return total


def _atom_slope(atom: Atom, window: Window, varies: Callable[[Expr], bool]) -> int | None:
    if isinstance(atom, Division):
        step = slope(atom.inner, window, varies)
        if step == 0:
            return 0
        if step is None or step < 0 or not _stays_within(atom, step, window):
            return None
        return 0 if atom.fn == "div" else step
    if atom is window.var:
        return 1
    return None if varies(atom) else 0


def _stays_within(division: Division, step: int, window: Window) -> bool:
    """Whether no multiple of the divisor is crossed inside the window."""
    grain = division.by
    for atom, factor in division.inner.terms:
        grain = math.gcd(grain, factor * (window.multiple if atom is window.var else 1))
    return division.inner.const % grain + step * (window.count - 1) < grain
