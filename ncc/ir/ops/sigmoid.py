"""sigmoid, silu, and their piecewise linear cousins."""

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, op
from ncc.ir.ops.arithmetic import Mul
from ncc.ir.rewrite import P, V, canonical
from ncc.ir.scalar import Math, Scalar


def logistic(m: Math, x: Scalar) -> Scalar:
    """1 / (1 + exp(-x)), as e / (1 + e): from 40 on it is 1 in every float type."""
    e = m.decay(m.min(x, 40.0))
    return e / (e + 1.0)


@op("sigmoid", onnx="Sigmoid")
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return logistic(m, x)


@op("silu")
class Silu(Elementwise):
    """x * sigmoid(x)."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return x * logistic(m, x)


@op("hard_sigmoid", onnx="HardSigmoid")
class HardSigmoid(Elementwise):
    """alpha * x + beta, between 0 and 1."""

    alpha: float = 0.2
    beta: float = 0.5

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.max(m.min(x * self.alpha + self.beta, 1.0), 0.0)


@op("hard_swish", onnx="HardSwish")
class HardSwish(Elementwise):
    """x * hard_sigmoid(x) with alpha = 1/6 and beta = 1/2."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return x * m.max(m.min(x * (1 / 6) + 0.5, 1.0), 0.0)


def silu(build: Builder, x: Value) -> Value:
    """x * sigmoid(x) -> silu(x)"""
    return build(Silu(), x)


canonical(P(Mul, V("x"), P(Sigmoid, V("x"), once=True)))(silu)
canonical(P(Mul, P(Sigmoid, V("x"), once=True), V("x")))(silu)
