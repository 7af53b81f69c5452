"""lrn: local response normalisation across neighbouring channels."""

from __future__ import annotations

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Add, Div, Mul
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.power import Pow
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType, TensorType


@op("lrn")
class LRN(Op):
    """x / (bias + alpha / size * sum of squares of `size` neighbouring channels) ** beta.

    x is [N, C, *spatial]; the window has (size - 1) // 2 channels before the one it is for.
    """

    size: int
    alpha: float
    beta: float
    bias: float

    def infer(self, x: TensorType) -> TensorType:
        require(
            x.rank >= 2 and self.size > 0 and x.dtype.is_float,
            f"lrn over {self.size} channels of {x}",
            operand=0,
        )
        return x

    def eval(self, x: Array) -> Array:
        wide = x.astype(DType.of(x.dtype).compute.numpy, copy=False)
        flat = np.square(wide).reshape(x.shape[0], 1, x.shape[1], -1)
        mean = self._mean_of_neighbours.eval(flat).reshape(x.shape)
        with np.errstate(all="ignore"):
            return np.asarray(wide / (self.bias + self.alpha * mean) ** self.beta, x.dtype)

    def decompose(self, build: Builder, x: Value) -> Value:
        n, c, *spatial = x.tensor.dims
        dtype = x.tensor.dtype.compute
        wide = build(Cast(dtype), x)
        flat = build(Reshape((n, 1, c, int(np.prod(spatial)))), build(Mul(), wide, wide))
        mean = build(Reshape(x.tensor.shape), build(self._mean_of_neighbours, flat))
        scaled = build(Mul(), mean, constant(build, self.alpha, dtype))
        base = build(Add(), scaled, constant(build, self.bias, dtype))
        divisor = build(Pow(), base, constant(build, self.beta, dtype))
        return build(Cast(x.tensor.dtype), build(Div(), wide, divisor))

    @property
    def _mean_of_neighbours(self) -> AveragePool:
        """Over [N, 1, C, space]; channels beyond the ends are zeros that count."""
        before = (self.size - 1) // 2
        after = self.size - 1 - before
        return AveragePool(
            (self.size, 1), (1, 1), (before, 0), (after, 0), (1, 1), count_include_pad=True
        )

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return (self.size + 4) * results[0].size
