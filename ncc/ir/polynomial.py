"""Read an expression of the graph as a polynomial in one value."""

from __future__ import annotations

from ncc.ir.fold import number
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add, Div, Mul, Neg, Sub
from ncc.ir.ops.power import Pow

Polynomial = dict[int, float]
"""Coefficients by degree."""

MAX_NODES = 16
"""Expressions of more nodes than this are not looked into."""


def polynomial(value: Value, x: Value) -> Polynomial | None:
    """`value` as a polynomial in `x` with constant coefficients; None if it is not a small one."""
    return _Reader(x).read(value)


class _Reader:
    """Reads expressions in `x`, spending one of `left` on every node."""

    def __init__(self, x: Value) -> None:
        self.x = x
        self.left = MAX_NODES

    def read(self, value: Value) -> Polynomial | None:
        if value is self.x:
            return {1: 1.0}
        constant = number(value)
        if constant is not None:
            return {0: float(constant)}
        self.left -= 1
        if value.node is None or self.left < 0:
            return None
        parts = [self.read(operand) for operand in value.node.operands]
        known = [part for part in parts if part is not None]
        return _combine(value, known) if len(known) == len(parts) else None


def _combine(value: Value, parts: list[Polynomial]) -> Polynomial | None:
    match value.op, parts:
        case Add(), [a, b]:
            return _sum(a, b)
        case Sub(), [a, b]:
            return _sum(a, _product({0: -1.0}, b))
        case Neg(), [a]:
            return _product({0: -1.0}, a)
        case Mul(), [a, b]:
            return _product(a, b)
        case Div(), [a, {0: divisor, **others}] if divisor and not others:
            return _product({0: 1.0 / divisor}, a)
        case Pow(), [a, {0: exponent, **others}] if exponent in {2.0, 3.0} and not others:
            square = _product(a, a)
            return square if exponent == 2.0 else _product(square, a)
    return None


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    return {degree: a.get(degree, 0.0) + b.get(degree, 0.0) for degree in sorted(a | b)}


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    out: Polynomial = {}
    for i, x in a.items():
        for j, y in b.items():
            out[i + j] = out.get(i + j, 0.0) + x * y
    return out
