"""bitcast: read the bits of elements as another type."""

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import DType, TensorType


@op("bitcast")
class Bitcast(Op):
    """The same bits as elements of `to`, which is as wide as the operand's type."""

    to: DType

    def infer(self, x: TensorType) -> TensorType:
        require(
            x.dtype.itemsize == self.to.itemsize and DType.string not in {x.dtype, self.to},
            f"the bits of {x.dtype.value} are not those of {self.to.value}",
            hint="choose a type of the same width",
            operand=0,
            label=f"has {8 * x.dtype.itemsize} bits",
        )
        return x.with_dtype(self.to)

    def eval(self, x: Array) -> Array:
        return x.view(self.to.numpy)
