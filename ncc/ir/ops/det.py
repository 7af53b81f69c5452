"""det: determinants of square matrices."""

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import DType, TensorType


@op("det", onnx="Det")
class Det(Op):
    """x [..., n, n] -> [...]."""

    def infer(self, x: TensorType) -> TensorType:
        require(
            x.rank >= 2 and x.shape[-1] == x.shape[-2] and x.dtype.is_float,
            f"det takes square matrices of floats, not {x}",
            operand=0,
        )
        return x.with_shape(x.shape[:-2])

    def eval(self, x: Array) -> Array:
        wide = x.astype(DType.of(x.dtype).compute.numpy)
        return np.asarray(np.linalg.det(wide), x.dtype)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return results[0].size * operands[0].dims[-1] ** 3
