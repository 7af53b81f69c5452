"""add, sub, mul, div, neg, abs, reciprocal: arithmetic on elements."""

import math

import numpy as np

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.op import Array, Elementwise, Op, op
from ncc.ir.ops.constant import Constant
from ncc.ir.rewrite import C, D, P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar


@op("add", onnx="Add")
class Add(Elementwise):
    """a + b; integers wrap."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a + b


@op("sub", onnx="Sub")
class Sub(Elementwise):
    """a - b; integers wrap."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a - b


@op("mul", onnx="Mul")
class Mul(Elementwise):
    """a * b; integers wrap."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a * b


@op("div", onnx="Div")
class Div(Elementwise):
    """a / b; integers truncate toward zero, and divided by zero are zero."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.div(a, b)


@op("neg", onnx="Neg")
class Neg(Elementwise):
    """-x; integers wrap."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return -x


@op("abs", onnx="Abs")
class Abs(Elementwise):
    """The magnitude of x; that of the smallest signed integer is itself."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.abs(x)


@op("reciprocal", onnx="Reciprocal")
class Reciprocal(Elementwise):
    """1 / x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.div(m.const(1, x), x)


COMMUTATIVE: tuple[type[Op], ...] = (Add, Mul)
NEUTRAL: dict[type[Op], float] = {Add: -0.0, Sub: 0.0, Mul: 1.0, Div: 1.0}
"""x op NEUTRAL[op] is x, bit for bit; x + 0.0 is not, for it turns -0.0 into 0.0."""


@canonical(P(COMMUTATIVE, C("c"), D("x"), bind="op"))
def constant_to_the_right(build: Builder, op: Op, c: Value, x: Value) -> Value:
    """add(c, x) -> add(x, c), so that other rules need one order only."""
    return build(op, x, c)


@canonical(P(tuple(NEUTRAL), V("x"), P(Constant, node="c"), node="node"))
def neutral_constant(build: Builder, node: Node, x: Value, c: Node) -> Value | Skip:
    """x + -0.0, x - 0.0, x * 1 and x / 1 -> x."""
    value, neutral = number(c.result), NEUTRAL[type(node.op)]
    if value != neutral or (_sign(value) != _sign(neutral) and x.tensor.dtype.is_float):
        return Skip(f"{value} changes some operand of {node.op.name}")
    return x if node.result.type == x.type else Skip("the constant adds an axis")


def _sign(value: float | None) -> float:
    return math.copysign(1.0, 1.0 if value is None else value)


@canonical(P(Div, P(Constant, node="c"), V("x")))
def one_over(build: Builder, c: Node, x: Value) -> Value | Skip:
    """1 / x -> reciprocal(x)"""
    if number(c.result) != 1:
        return Skip(f"the dividend is {number(c.result)}")
    if c.result.tensor.rank > x.tensor.rank:
        return Skip("the dividend adds an axis")
    return build(Reciprocal(), x)


@canonical(P(Div, V("x"), P(Constant, bind="c")))
def divide_by_power_of_two(build: Builder, x: Value, c: Constant) -> Value | Skip:
    """x / 2**n -> x * 2**-n, which is the same number."""
    divisor = c.value.array
    if not x.tensor.dtype.is_float:
        return Skip("integers are divided without a rest")
    if not _powers_of_two(divisor):
        return Skip("the divisor is not a power of two")
    with np.errstate(over="ignore"):
        inverse = (1.0 / divisor.astype(np.float64)).astype(divisor.dtype)
    if not np.all(np.isfinite(inverse)):
        return Skip(f"the reciprocal overflows {x.tensor.dtype.value}")
    return build(Mul(), x, build(Constant(Literal.of(inverse))))


def _powers_of_two(array: Array) -> bool:
    mantissas, _ = np.frexp(np.abs(array.astype(np.float64)))
    return bool(np.all(mantissas == 0.5))
