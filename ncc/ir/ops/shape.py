"""shape: the sizes of a tensor."""

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.literal import Literal
from ncc.ir.op import Array, Op, op
from ncc.ir.ops.constant import Constant
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import DType, TensorType


@op("shape")
class ShapeOf(Op):
    """The sizes of the operand as i64[rank]; kept in a graph only where the data decides one."""

    host_only = True

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(DType.i64, (x.rank,))

    def eval(self, x: Array) -> Array:
        return np.array(x.shape, np.int64)


@canonical(P(ShapeOf, V("x")))
def known_shape(build: Builder, x: Value) -> Value | Skip:
    """shape(x) -> the sizes, when all are numbers."""
    if not x.tensor.is_static:
        return Skip(f"{x.type} has a size that is not a number")
    return build(Constant(Literal.of(np.array(x.tensor.dims, np.int64))))
