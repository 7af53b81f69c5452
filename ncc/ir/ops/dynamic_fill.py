"""Tensors whose size only the data decides: dynamic_fill, dynamic_range, dynamic_one_hot."""

from __future__ import annotations

import numpy as np

from ncc.ir.literal import Literal
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.dynamic_reshape import length
from ncc.ir.types import UNKNOWN, DType, TensorType

MAX_COUNT = 1 << 27
"""Numbers in a range."""


@op("dynamic_fill")
class DynamicFill(Op):
    """A tensor of the sizes in the operand, every element equal to `value` (one element)."""

    host_only = True

    value: Literal

    def infer(self, sizes: TensorType) -> TensorType:
        return self.value.type.with_shape((UNKNOWN,) * length(sizes, 0))

    def eval(self, sizes: Array) -> Array:
        return np.full(sizes.tolist(), self.value.array.ravel()[0])


@op("dynamic_range")
class DynamicRange(Op):
    """start, start + delta, .. up to but without limit; three scalars of one type."""

    host_only = True

    def infer(self, start: TensorType, limit: TensorType, delta: TensorType) -> TensorType:
        for operand, other in enumerate((limit, delta), 1):
            require(
                other.dtype is start.dtype,
                f"a range from {start} to {limit} by {delta}",
                operand=operand,
                label=f"needs {start.dtype.value}",
            )
        return start.with_shape((UNKNOWN,))

    def eval(self, start: Array, limit: Array, delta: Array) -> Array:
        return counted(start, limit, delta)


def counted(start: Array, limit: Array, delta: Array) -> Array:
    """start + i * delta for i = 0, 1, .. while that is before limit."""
    parts = (start, limit, delta)
    require(all(part.size == 1 for part in parts), "a range needs three scalars")
    first, last, step = (np.float64(part.item()) for part in parts)
    require(step != 0, "a range with step 0")
    distance = (last - first) / step
    require(distance < MAX_COUNT, f"a range from {first} to {last} by {step} is impossibly long")
    count = max(int(np.ceil(distance)), 0)
    inner = DType.of(start.dtype).compute.numpy
    steps = np.arange(count).astype(inner) * delta.astype(inner).ravel()
    return np.asarray((start.astype(inner).ravel() + steps).astype(start.dtype))


@op("dynamic_one_hot")
class DynamicOneHot(Op):
    """values[1] where an index is the position along the new `axis`, values[0] elsewhere.

    `depth` (one element) is the size of the new axis; indices may count from the end.
    """

    host_only = True

    axis: int

    def infer(self, indices: TensorType, depth: TensorType, values: TensorType) -> TensorType:
        require(
            0 <= self.axis <= indices.rank,
            f"one_hot of {indices} with a new axis {self.axis}",
            operand=0,
        )
        shape = list(indices.shape)
        shape.insert(self.axis, UNKNOWN)
        return values.with_shape(shape)

    def eval(self, indices: Array, depth: Array, values: Array) -> Array:
        size = int(depth.item())
        positions = np.expand_dims(np.where(indices < 0, indices + size, indices), self.axis)
        counting = np.arange(size).reshape([size] + [1] * (indices.ndim - self.axis))
        return np.asarray(np.where(positions == counting, values[1], values[0]))
