"""quantize, dequantize: between real numbers and narrow ones with a scale and a zero point."""

import numpy as np

from ncc.ir.fold import constant_array, number
from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, Op, op, require
from ncc.ir.ops.clip import Clip, clip_bounds
from ncc.ir.ops.relu import Relu
from ncc.ir.rewrite import C, P, Skip, V, canonical
from ncc.ir.scalar import NUMPY, Math, Scalar, limits
from ncc.ir.types import DType, TensorType

QUANTIZED = {
    *(DType.i4, DType.u4, DType.i8, DType.u8, DType.i16, DType.u16),
    *(DType.f8e4m3, DType.f8e5m2),
}
"""Types of numbers with a scale: integers that f32 holds beside a zero point, and narrow floats."""


@op("quantize")
class Quantize(Elementwise):
    """round(x / scale) + zero_point, halves to even, kept within the range of `to`.

    `scale` has the type of x, `zero_point` the type `to`; both broadcast against x. NaN becomes the
    least integer.
    """

    to: DType

    def check(self, *operands: TensorType) -> None:
        require(self.to in QUANTIZED, f"quantize gives no {self.to.value}")
        x, scale, zero_point = operands
        super().check(x, scale)
        super().check(TensorType(self.to), zero_point)

    def result_dtype(self, *operands: DType) -> DType:
        return self.to

    def scalar(self, m: Math, x: Scalar, scale: Scalar, zero_point: Scalar) -> Scalar:
        units, point = x / scale, m.cast(zero_point, DType.f32)
        lowest, highest = (m.const(limit, point) for limit in limits(self.to))
        if not self.to.is_int:
            return m.cast(m.max(m.min(units + point, highest), lowest), self.to)
        least, most = lowest - point, highest - point
        above = m.where(units > least, units, least)
        inside = m.where(above < most, above, most)
        return m.cast(m.nearest(inside) + m.cast(zero_point, DType.i32), self.to)


@canonical(
    P(Quantize, P((Clip, Relu), V("x"), bind="clip"), C("scale"), C("zero"), bind="quantize")
)
def clipped_anyway(
    build: Builder, quantize: Quantize, clip: Op, x: Value, scale: Value, zero: Value
) -> Value | Skip:
    """quantize(clip(x)) -> quantize(x), where the bounds are the integers at the ends"""
    unit, point = constant_array(scale), constant_array(zero)
    if unit is None or point is None or not quantize.to.is_int or not np.all(unit > 0):
        return Skip(f"{scale.type} is not known to keep the order")
    numbers = (np.asarray(bound, unit.dtype) for bound in clip_bounds(clip))
    made = [quantize.scalar(NUMPY, bound, unit, point) for bound in numbers]
    if any(np.any(end != limit) for end, limit in zip(made, limits(quantize.to), strict=True)):
        return Skip("integers do not end where the clip does")
    return build(quantize, x, scale, zero)


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
