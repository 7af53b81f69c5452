"""cast: convert the elements of a tensor to another type."""

from ncc.ir import scalar
from ncc.ir.op import Array, Elementwise, op
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType, TensorType


@op("cast")
class Cast(Elementwise):
    """Floats round to nearest even; floats to integers truncate, saturate, and take NaN as 0."""

    to: DType
    cost = 0

    def result_dtype(self, *operands: DType) -> DType:
        return self.to

    def check(self, *operands: TensorType) -> None:
        pass

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.cast(x, self.to)

    def eval(self, x: Array) -> Array:
        return scalar.cast(x, self.to)
