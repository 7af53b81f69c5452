"""mish: x * tanh(softplus(x))."""

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, op
from ncc.ir.ops.arithmetic import Mul
from ncc.ir.ops.exponential_units import Softplus
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.rewrite import P, V, canonical
from ncc.ir.scalar import Math, Scalar


@op("mish", onnx="Mish")
class Mish(Elementwise):
    """x * tanh(log(1 + exp(x))) with one exp: tanh(log(u)) is (u*u - 1) / (u*u + 1).

    From 20 on the factor is 1 in every float type; the bound keeps its parts finite.
    Mish: A Self Regularized Non-Monotonic Activation Function, arXiv:1908.08681.
    """

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        e = m.decay(m.min(x, 20.0))
        numerator = e * (e + 2.0)
        return x * (numerator / (numerator + 2.0))


def mish(build: Builder, x: Value) -> Value:
    """x * tanh(softplus(x)) -> mish(x)"""
    return build(Mish(), x)


canonical(P(Mul, V("x"), P(Tanh, P(Softplus, V("x"), once=True), once=True)))(mish)
canonical(P(Mul, P(Tanh, P(Softplus, V("x"), once=True), once=True), V("x")))(mish)
