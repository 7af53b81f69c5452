"""constant: a small tensor that lives in the IR."""

from ncc.ir.literal import Literal
from ncc.ir.op import Array, Op, op
from ncc.ir.types import TensorType


@op("constant")
class Constant(Op):
    """The tensor `value`."""

    value: Literal

    def infer(self) -> TensorType:
        return self.value.type

    def eval(self) -> Array:
        return self.value.array
