"""sinh, cosh, tanh and their inverses."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("sinh", onnx="Sinh")
class Sinh(Elementwise):
    """(exp(x) - exp(-x)) / 2."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.sinh(x)


@op("cosh", onnx="Cosh")
class Cosh(Elementwise):
    """(exp(x) + exp(-x)) / 2."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.cosh(x)


@op("tanh", onnx="Tanh")
class Tanh(Elementwise):
    """sinh(x) / cosh(x)."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.tanh(x)


@op("asinh", onnx="Asinh")
class Asinh(Elementwise):
    """The number whose sinh is x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.asinh(x)


@op("acosh", onnx="Acosh")
class Acosh(Elementwise):
    """The number from 0 on whose cosh is x; NaN below 1."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.acosh(x)


@op("atanh", onnx="Atanh")
class Atanh(Elementwise):
    """The number whose tanh is x; NaN beyond -1..1."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.atanh(x)
