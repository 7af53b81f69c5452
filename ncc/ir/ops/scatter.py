"""scatter_elements, scatter_nd: a tensor with some of its elements replaced or updated."""

from __future__ import annotations

from enum import Enum

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.gather import check_range, require_indices
from ncc.ir.types import TensorType


class Reduction(Enum):
    """What becomes of an element and its update; of several `none`s the last one stays."""

    none = "none"
    add = "add"
    mul = "mul"
    max = "max"
    min = "min"


_JOIN: dict[Reduction, np.ufunc] = {
    Reduction.add: np.add,
    Reduction.mul: np.multiply,
    Reduction.max: np.maximum,
    Reduction.min: np.minimum,
}


@op("scatter_elements")
class ScatterElements(Op):
    """x with updates[i, j, k] at [i, indices[i, j, k], k] for axis 1, and so on.

    Indices count from 0.
    """

    axis: int
    reduction: Reduction = Reduction.none

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        require_indices(indices)
        require(
            0 <= self.axis < x.rank == indices.rank,
            f"scatter_elements into {x} along axis {self.axis} with indices {indices}",
            operand=1,
            label=f"needs {x.rank} axes",
        )
        _require_updates(updates, x.with_shape(indices.shape))
        return x

    def eval(self, x: Array, indices: Array, updates: Array) -> Array:
        check_range(indices, x.shape[self.axis])
        coordinates: list[Array] = list(np.indices(indices.shape, sparse=True))
        coordinates[self.axis] = indices
        return _updated(x, tuple(coordinates), updates, self.reduction)


@op("scatter_nd")
class ScatterND(Op):
    """x with updates[i] at x[*indices[i]] for any number of axes i; indices count from 0.

    The last axis of the indices holds one coordinate for each of the first axes of x.
    """

    reduction: Reduction = Reduction.none

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        require_indices(indices)
        depth = indices.shape[-1] if indices.rank else None
        require(
            isinstance(depth, int) and depth <= x.rank,
            f"scatter_nd into {x} with indices {indices}",
            hint=f"the last axis holds at most {x.rank} coordinates",
            operand=1,
        )
        assert isinstance(depth, int)
        _require_updates(updates, x.with_shape((*indices.shape[:-1], *x.shape[depth:])))
        return x

    def eval(self, x: Array, indices: Array, updates: Array) -> Array:
        coordinates = tuple(np.moveaxis(indices, -1, 0))
        for size, coordinate in zip(x.shape, coordinates, strict=False):
            check_range(coordinate, size)
        return _updated(x, coordinates, updates, self.reduction)


def _require_updates(updates: TensorType, wanted: TensorType) -> None:
    known = zip(updates.shape, wanted.shape, strict=False)
    fits = updates.rank == wanted.rank and not any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in known
    )
    require(
        fits and updates.dtype is wanted.dtype,
        f"updates {updates} do not fit the indices",
        operand=2,
        label=f"needs {wanted}",
    )


def _updated(x: Array, where: tuple[Array, ...], updates: Array, reduction: Reduction) -> Array:
    result = x.copy()
    if reduction is Reduction.none:
        result[where] = updates
    else:
        _JOIN[reduction].at(result, where, updates)
    return result
