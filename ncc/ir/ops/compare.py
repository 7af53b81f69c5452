"""equal, less, less_equal, greater, greater_equal: comparisons of elements."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType


class Comparison(Elementwise):
    """Two operands of one type in, bool out. A comparison with NaN is false."""

    def result_dtype(self, *operands: DType) -> DType:
        return DType.bool


@op("equal", onnx="Equal")
class Equal(Comparison):
    """a == b."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.eq(a, b)


@op("less", onnx="Less")
class Less(Comparison):
    """a < b."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a < b


@op("less_equal", onnx="LessOrEqual")
class LessEqual(Comparison):
    """a <= b."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a <= b


@op("greater", onnx="Greater")
class Greater(Comparison):
    """a > b."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a > b


@op("greater_equal", onnx="GreaterOrEqual")
class GreaterEqual(Comparison):
    """a >= b."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a >= b
