"""exp, log, erf: transcendental functions that are not trigonometric."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("exp", onnx="Exp")
class Exp(Elementwise):
    """e ** x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.exp(x)


@op("log", onnx="Log")
class Log(Elementwise):
    """The natural logarithm; NaN for negative numbers."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.log(x)


@op("erf", onnx="Erf")
class Erf(Elementwise):
    """The error function, 2 / sqrt(pi) * integral of exp(-t * t) from 0 to x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.erf(x)
