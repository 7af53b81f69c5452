"""topk, dynamic_topk: the largest or smallest elements along an axis."""

from __future__ import annotations

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ranking import best, finds_few
from ncc.ir.types import UNKNOWN, Dim, DType, TensorType


@op("topk")
class TopK(Op):
    """The `k` largest (or smallest) elements along `axis`, best first, and their indices as i64.

    Of equal elements the first comes first.
    """

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
        _require_elements(x, self.k, self.axis)
        return select(x, self.k, self.axis, self.largest)

    def finds_few(self, x: TensorType) -> bool:
        """Whether there are few comparisons to make."""
        return x.is_static and finds_few(x.size, x.dims[self.axis], self.k)

    def decompose(self, build: Builder, x: Value) -> tuple[Value, ...] | None:
        """Comparisons, where they are few; rows are along the last axis."""
        if not x.tensor.is_static:
            return None
        order = list(range(x.tensor.rank))
        order[self.axis], order[-1] = order[-1], order[self.axis]
        swap = Transpose(tuple(order))
        found = best(build, build(swap, x), self.k, largest=self.largest)
        return found and tuple(build(swap, value) for value in found)


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
        _require_elements(x, count, self.axis)
        return select(x, count, self.axis, self.largest)


def _require_elements(x: Array, k: int, axis: int) -> None:
    """NccError where an axis has fewer than k elements."""
    size = x.shape[axis]
    require(0 <= k <= size, f"topk of {k} out of {size} elements")


def _results(x: TensorType, axis: int, size: Dim) -> tuple[TensorType, TensorType]:
    values = x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :]))
    return values, values.with_dtype(DType.i64)


LONG, FEW = 1024, 1 / 8
"""Finding so few of the elements of a row so long costs less than sorting all."""


def select(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    """The best k elements along an axis and where they were, best first, ties in order."""
    rows = np.moveaxis(x, axis, -1)
    size = rows.shape[-1]
    few = size >= LONG and 0 < k < FEW * size
    found = _best_of_few(rows, k, largest) if few else _order(rows, largest)[..., :k]
    values = np.take_along_axis(rows, found, -1)
    return np.moveaxis(values, -1, axis), np.moveaxis(found, -1, axis).astype(np.int64)


def _order(rows: Array, largest: bool) -> Array:
    """The places of the elements of each row, best first, ties in order."""
    if not largest:
        return np.argsort(rows, -1, kind="stable")
    backward = np.argsort(np.flip(rows, -1), -1, kind="stable")
    return np.asarray(rows.shape[-1] - 1 - np.flip(backward, -1))


def _best_of_few(rows: Array, k: int, largest: bool) -> Array:
    """The same for the best k: what is not worse than the k-th is sorted alone."""
    size = rows.shape[-1]
    flat = rows.reshape(-1, size)
    found = np.empty((len(flat), k), np.int64)
    for row, places in zip(flat, found, strict=True):
        limit = np.partition(row, size - k if largest else k - 1)[size - k if largest else k - 1]
        worse = row < limit if largest else row > limit
        kept = np.flatnonzero(~worse)
        places[:] = kept[_order(row[kept], largest)[:k]]
    return found.reshape(*rows.shape[:-1], k)
