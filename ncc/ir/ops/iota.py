"""iota: 0, 1, 2 and so on."""

import numpy as np

from ncc.ir.op import Array, Op, op
from ncc.ir.types import DType, TensorType


@op("iota")
class Iota(Op):
    """The numbers 0 .. size - 1."""

    size: int
    dtype: DType

    def infer(self) -> TensorType:
        return TensorType(self.dtype, (self.size,))

    def eval(self) -> Array:
        return np.arange(self.size).astype(self.dtype.numpy)
