"""and, or, xor, not, shl, shr: logic on bool, and on the bits of integers."""

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, op, require
from ncc.ir.rewrite import P, V, canonical
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType, TensorType


class Logic(Elementwise):
    """Operands of one type, bool or integer; of integers every bit is taken alone."""

    def check(self, *operands: TensorType) -> None:
        super().check(*operands)
        dtype = operands[0].dtype
        require(
            dtype is DType.bool or dtype.is_int,
            f"{self.name} takes bool or integers, not {dtype.value}",
            hint="compare with zero first",
            operand=0,
            label=f"is {dtype.value}",
        )


@op("and", onnx=("And", "BitwiseAnd"))
class And(Logic):
    """Set where a and b are."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a & b


@op("or", onnx=("Or", "BitwiseOr"))
class Or(Logic):
    """Set where a or b is."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a | b


@op("xor", onnx=("Xor", "BitwiseXor"))
class Xor(Logic):
    """Set where one of a and b is, but not both."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return a ^ b


@op("not", onnx=("Not", "BitwiseNot"))
class Not(Logic):
    """Set where x is not."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return ~x


@op("shl")
class Shl(Logic):
    """a * 2**b, the bits beyond the type dropped; 0 when b is the width of the type or more."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.shl(a, b)


@op("shr")
class Shr(Logic):
    """a / 2**b rounded down; 0 when b is the width of the type or more."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.shr(a, b)


@canonical(P(Not, P(Not, V("x"))))
def not_not(build: Builder, x: Value) -> Value:
    """not(not(x)) -> x"""
    return x
