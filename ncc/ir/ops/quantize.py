"""quantize, dequantize: between real numbers and narrow ones with a scale and a zero point."""

from ncc.ir.fold import number
from ncc.ir.graph import Value
from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar, limits
from ncc.ir.types import DType, TensorType


@op("quantize")
class Quantize(Elementwise):
    """round(x / scale) + zero_point, halves to even, kept within the range of `to`.

    `scale` has the type of x, `zero_point` the type `to`; both broadcast against x.
    """

    to: DType

    def check(self, *operands: TensorType) -> None:
        x, scale, zero_point = operands
        super().check(x, scale)
        super().check(TensorType(self.to), zero_point)

    def result_dtype(self, *operands: DType) -> DType:
        return self.to

    def scalar(self, m: Math, x: Scalar, scale: Scalar, zero_point: Scalar) -> Scalar:
        if self.to.is_int:
            return m.cast(m.round(x / scale) + m.cast(zero_point, DType.f32), self.to)
        lowest, highest = limits(self.to)
        shifted = x / scale + m.cast(zero_point, DType.f32)
        return m.cast(m.max(m.min(shifted, highest), lowest), self.to)


@op("dequantize")
class Dequantize(Elementwise):
    """(x - zero_point) * scale, in the type of the scale; all three broadcast."""

    imported_folded = False

    def check(self, *operands: TensorType) -> None:
        x, _, zero_point = operands
        super().check(x, zero_point)

    def result_dtype(self, *operands: DType) -> DType:
        return operands[1]

    def scalar(self, m: Math, x: Scalar, scale: Scalar, zero_point: Scalar) -> Scalar:
        return (m.cast(x, DType.f32) - m.cast(zero_point, DType.f32)) * scale


def bytes_of(value: Value) -> Value | None:
    """The bytes that real numbers are dequantized from in one unit, a literal; None for others."""
    if value.node is None or not isinstance(value.op, Dequantize):
        return None
    x, scale, zero_point = value.node.operands
    is_plain = number(scale) is not None and number(zero_point) is not None
    return x if is_plain and x.tensor.dtype in {DType.i8, DType.u8} else None
