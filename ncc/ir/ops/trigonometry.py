"""sin, cos, tan and their inverses."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("sin", onnx="Sin")
class Sin(Elementwise):
    """The sine of x radians."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.sin(x)


@op("cos", onnx="Cos")
class Cos(Elementwise):
    """The cosine of x radians."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.cos(x)


@op("tan", onnx="Tan")
class Tan(Elementwise):
    """The tangent of x radians."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.tan(x)


@op("asin", onnx="Asin")
class Asin(Elementwise):
    """The angle in radians, from -pi/2 to pi/2, whose sine is x; NaN beyond -1..1."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.asin(x)


@op("acos", onnx="Acos")
class Acos(Elementwise):
    """The angle in radians, from 0 to pi, whose cosine is x; NaN beyond -1..1."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.acos(x)


@op("atan", onnx="Atan")
class Atan(Elementwise):
    """The angle in radians, from -pi/2 to pi/2, whose tangent is x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.atan(x)
