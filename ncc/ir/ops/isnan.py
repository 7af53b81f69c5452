"""isnan, isinf: find the floats that are not numbers."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType


@op("isnan", onnx="IsNaN")
class Isnan(Elementwise):
    """Whether x is NaN."""

    def result_dtype(self, *operands: DType) -> DType:
        return DType.bool

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.isnan(x)


@op("isinf", onnx="IsInf")
class Isinf(Elementwise):
    """Whether x is infinite, of the signs that are to be detected."""

    detect_negative: bool = True
    detect_positive: bool = True

    def result_dtype(self, *operands: DType) -> DType:
        return DType.bool

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        found = m.isinf(x)
        if not self.detect_negative:
            found = found & (x > 0)
        if not self.detect_positive:
            found = found & (x < 0)
        return found
