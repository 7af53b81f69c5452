"""where: choose between two tensors, element by element."""

from ncc.ir.op import Elementwise, op, require
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType, TensorType


@op("where", onnx="Where")
class Where(Elementwise):
    """a where the condition (bool) holds, else b."""

    def check(self, *operands: TensorType) -> None:
        condition, a, b = operands
        require(
            condition.dtype is DType.bool,
            f"where needs a bool condition, not {condition}",
            hint="compare the condition with zero",
            operand=0,
            label=f"is {condition.dtype.value}, needs bool",
        )
        super().check(a, b)

    def result_dtype(self, *operands: DType) -> DType:
        return operands[1]

    def scalar(self, m: Math, condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
        return m.where(condition, a, b)
