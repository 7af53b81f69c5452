"""topk, dynamic_topk: the largest or smallest elements along an axis."""

from __future__ import annotations

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import UNKNOWN, Dim, DType, TensorType


@op("topk")
class TopK(Op):
    """The `k` largest (or smallest) elements along `axis`, best first, and their indices as i64.

    Of equal elements the first comes first.
    """

    host_only = True

    axis: int
    k: int
    largest: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        require(
            0 <= self.axis < x.rank,
            f"topk along axis {self.axis} of {x}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        size = x.shape[self.axis]
        require(
            self.k >= 0 and (not isinstance(size, int) or self.k <= size),
            f"topk of {self.k} out of {size} elements",
            operand=0,
            label=f"has {size} along axis {self.axis}",
        )
        return _results(x, self.axis, self.k)

    def eval(self, x: Array) -> tuple[Array, Array]:
        return select(x, self.k, self.axis, self.largest)


@op("dynamic_topk")
class DynamicTopK(Op):
    """topk with the number of elements as an operand, i64[1]."""

    host_only = True

    axis: int
    largest: bool = True

    def infer(self, x: TensorType, k: TensorType) -> tuple[TensorType, TensorType]:
        require(
            0 <= self.axis < x.rank,
            f"topk along axis {self.axis} of {x}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        return _results(x, self.axis, UNKNOWN)

    def eval(self, x: Array, k: Array) -> tuple[Array, Array]:
        count = int(k.item())
        size = x.shape[self.axis]
        require(0 <= count <= size, f"topk of {count} out of {size} elements", operand=1)
        return select(x, count, self.axis, self.largest)


def _results(x: TensorType, axis: int, size: Dim) -> tuple[TensorType, TensorType]:
    values = x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :]))
    return values, values.with_dtype(DType.i64)


def select(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    """The best k elements along an axis and where they were, best first, ties in order."""
    if largest:
        backward = np.argsort(np.flip(x, axis), axis, kind="stable")
        order = x.shape[axis] - 1 - np.flip(backward, axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    best = np.take(order, np.arange(k), axis)
    return np.take_along_axis(x, best, axis), best.astype(np.int64)
