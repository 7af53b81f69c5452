"""floor, ceil, round, sign: from any number to a whole one."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("floor", onnx="Floor")
class Floor(Elementwise):
    """The largest whole number that is not above x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.floor(x)


@op("ceil", onnx="Ceil")
class Ceil(Elementwise):
    """The smallest whole number that is not below x."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.ceil(x)


@op("round", onnx="Round")
class Round(Elementwise):
    """The nearest whole number, halves to even."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.round(x)


@op("sign", onnx="Sign")
class Sign(Elementwise):
    """1, 0 or -1; NaN stays."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        one = m.const(1, x)
        return m.where(x > 0, one, m.where(x < 0, -one, x))
