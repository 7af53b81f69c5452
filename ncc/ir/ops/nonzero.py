"""nonzero, compress, unique: what is kept, the data decides."""

from __future__ import annotations

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import UNKNOWN, DType, TensorType


@op("nonzero")
class Nonzero(Op):
    """The coordinates of the elements that are not 0, in order: i64[rank, how many]."""

    host_only = True

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(DType.i64, (max(x.rank, 1), UNKNOWN))

    def eval(self, x: Array) -> Array:
        return np.stack(np.nonzero(np.atleast_1d(x))).astype(np.int64)


@op("compress")
class Compress(Op):
    """The slices along `axis` whose condition holds; with no axis, of the flat operand.

    The condition (bool, one axis) may be shorter than the axis; the rest is dropped.
    """

    host_only = True

    axis: int | None = None

    def infer(self, x: TensorType, condition: TensorType) -> TensorType:
        require(
            condition.rank == 1 and condition.dtype is DType.bool,
            f"compress needs a bool condition of one axis, not {condition}",
            operand=1,
            label="needs one axis of bool",
        )
        if self.axis is None:
            return x.with_shape((UNKNOWN,))
        _require_axis(self, x)
        return x.with_shape(
            UNKNOWN if axis == self.axis else dim for axis, dim in enumerate(x.shape)
        )

    def eval(self, x: Array, condition: Array) -> Array:
        size = x.size if self.axis is None else x.shape[self.axis]
        return np.compress(condition[:size], x, self.axis)


@op("unique")
class Unique(Op):
    """The different slices along `axis` (elements, with no axis), in order of value or of place.

    Results: the slices, the index of the first of each, which of them each slice of the operand
    is, and how often each occurs; the last three i64[?].
    """

    host_only = True

    axis: int | None = None
    sorted: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        indices = TensorType(DType.i64, (UNKNOWN,))
        if self.axis is None:
            return x.with_shape((UNKNOWN,)), indices, indices, indices
        _require_axis(self, x)
        shape = [UNKNOWN if axis == self.axis else dim for axis, dim in enumerate(x.shape)]
        return x.with_shape(shape), indices, indices, indices

    def eval(self, x: Array) -> tuple[Array, ...]:
        values, first, inverse, counts = np.unique(
            x, return_index=True, return_inverse=True, return_counts=True, axis=self.axis
        )
        inverse = inverse.ravel()
        if not self.sorted:
            order = np.argsort(first)
            values = np.take(values, order, self.axis)
            first, counts = first[order], counts[order]
            inverse = np.argsort(order)[inverse]
        return values, *(part.astype(np.int64) for part in (first, inverse, counts))


def _require_axis(op: Compress | Unique, x: TensorType) -> None:
    require(
        op.axis is not None and 0 <= op.axis < x.rank,
        f"{op.name} along axis {op.axis} of {x}",
        operand=0,
        label=f"has {x.rank} axes",
    )
