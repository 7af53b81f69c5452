"""elu, selu, celu, softplus, softsign: smooth activations made of exp and log."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("elu", onnx="Elu")
class Elu(Elementwise):
    """x, and alpha * (exp(x) - 1) below zero."""

    alpha: float = 1.0

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.where(x < 0, m.expm1(x) * self.alpha, x)


@op("selu", onnx="Selu")
class Selu(Elementwise):
    """gamma * elu(x)."""

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.where(x < 0, m.expm1(x) * (self.gamma * self.alpha), x * self.gamma)


@op("celu", onnx="Celu")
class Celu(Elementwise):
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""

    alpha: float = 1.0

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        below = m.min(m.expm1(x * (1.0 / self.alpha)) * self.alpha, 0.0)
        return m.max(x, 0.0) + below


@op("softplus", onnx="Softplus")
class Softplus(Elementwise):
    """log(1 + exp(x)), finite wherever x is."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.max(x, 0.0) + m.log1p(m.decay(-m.abs(x)))


@op("softsign", onnx="Softsign")
class Softsign(Elementwise):
    """x / (1 + |x|)."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return x / (1.0 + m.abs(x))
