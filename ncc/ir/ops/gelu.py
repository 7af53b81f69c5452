"""gelu: the Gaussian error linear unit."""

import math
from enum import Enum

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, Op, op
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.exponential import Erf
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.sigmoid import logistic
from ncc.ir.polynomial import Polynomial, polynomial
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar

SCALE = math.sqrt(2.0 / math.pi)
CUBIC = 0.044715


class Approximation(Enum):
    """How the normal distribution function is computed."""

    none = "none"
    tanh = "tanh"


@op("gelu", onnx="Gelu")
class Gelu(Elementwise):
    """x times the normal distribution function of x; arXiv:1606.08415 with its approximation.

    The latter is x * 0.5 * (1 + tanh(y)), which is x * sigmoid(2 * y).
    """

    approximate: Approximation = Approximation.none

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        if self.approximate is Approximation.none:
            return m.gelu(x)
        return x * logistic(m, x * (x * x * (2 * SCALE * CUBIC) + 2 * SCALE))


ARGUMENTS: dict[type[Op], tuple[Approximation, Polynomial]] = {
    Erf: (Approximation.none, {1: math.sqrt(0.5)}),
    Tanh: (Approximation.tanh, {1: SCALE, 3: SCALE * CUBIC}),
}
"""Which polynomial of x goes through which curve."""

CURVE = P((Erf, Tanh), V("argument"), bind="curve", once=True)
SUM = P(Add, CURVE, V("one"), once=True)
PRODUCTS = (
    (P(Mul, V("x"), SUM, once=True), V("half")),
    (P(Mul, SUM, V("x"), once=True), V("half")),
    (V("x"), P(Mul, SUM, V("half"), once=True)),
    (P(Mul, SUM, V("half"), once=True), V("x")),
    (P(Mul, V("x"), V("half"), once=True), SUM),
    (SUM, P(Mul, V("x"), V("half"), once=True)),
)
"""The orders in which x, 1/2 and the sum are multiplied; constants stand on the right."""


def gelu(
    build: Builder, x: Value, half: Value, one: Value, curve: Op, argument: Value
) -> Value | Skip:
    """x * 0.5 * (1 + erf(x / sqrt(2))) -> gelu(x), in any order, and the tanh form likewise."""
    if number(half) != 0.5 or number(one) != 1:
        return Skip(f"the factor is {number(half)} and the term {number(one)}, not 0.5 and 1")
    approximate, wanted = ARGUMENTS[type(curve)]
    found = polynomial(argument, x)
    if found is None or not _close(found, wanted):
        return Skip(f"the argument of {curve.name} is not that of gelu")
    return build(Gelu(approximate), x)


def _close(found: Polynomial, wanted: Polynomial) -> bool:
    """Equal to the precision in which exporters write the coefficients (f16 at least)."""
    return all(
        math.isclose(found.get(degree, 0.0), wanted.get(degree, 0.0), rel_tol=2e-3)
        for degree in found.keys() | wanted.keys()
    )


for operands in PRODUCTS:
    canonical(P(Mul, *operands))(gelu)
