"""exp, log, erf: transcendental functions that are not trigonometric."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("exp", onnx="Exp")
class Exp(Elementwise):
    """e ** x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.exp(x)


@op("decay")
class Decay(Elementwise):
    """e ** x where x is at most 0, and 0 where that would be less than the least normal number.

    The terms of a softmax: against the largest, which is 1, those less than 2**-126 are nothing.
    """

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.decay(x)


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
