"""Shapes that only the data decides: dynamic_reshape, dynamic_broadcast_to, dynamic_tile."""

from __future__ import annotations

import numpy as np

from ncc.diagnostics import NccError
from ncc.ir.op import Array, Op, broadcast, op, require
from ncc.ir.types import UNKNOWN, TensorType

MAX_RANK = 64
"""Axes of a tensor whose sizes the data decides; numpy has as many."""


def length(sizes: TensorType, operand: int) -> int:
    """How many numbers a list of sizes, i64[n], holds."""
    known = sizes.shape[0] if sizes.rank == 1 else None
    require(
        isinstance(known, int) and known <= MAX_RANK,
        f"a list of sizes must be an i64 tensor of one axis of known, small size, not {sizes}",
        operand=operand,
        label="needs one axis",
    )
    assert isinstance(known, int)
    return known


@op("dynamic_reshape")
class DynamicReshape(Op):
    """reshape to the sizes in the second operand: -1 is what is left, 0 the size of x's axis.

    With `allow_zero` a 0 is a size of 0.
    """

    host_only = True

    allow_zero: bool = False

    def infer(self, x: TensorType, sizes: TensorType) -> TensorType:
        return x.with_shape((UNKNOWN,) * length(sizes, 1))

    def eval(self, x: Array, sizes: Array) -> Array:
        shape = [int(size) for size in sizes]
        if not self.allow_zero:
            shape = [size or x.shape[axis] for axis, size in enumerate(shape)]
        try:
            return x.reshape(shape)
        except ValueError:
            raise NccError("shape", f"cannot reshape {list(x.shape)} to {shape}") from None


@op("dynamic_broadcast_to")
class DynamicBroadcastTo(Op):
    """x under the numpy broadcast of its sizes and those in the second operand."""

    host_only = True

    def infer(self, x: TensorType, sizes: TensorType) -> TensorType:
        return x.with_shape((UNKNOWN,) * max(x.rank, length(sizes, 1)))

    def eval(self, x: Array, sizes: Array) -> Array:
        shape = broadcast(x.shape, tuple(map(int, sizes)))
        return np.broadcast_to(x, [dim for dim in shape if isinstance(dim, int)])


@op("dynamic_tile")
class DynamicTile(Op):
    """x repeated along each axis as often as the second operand says."""

    host_only = True

    def infer(self, x: TensorType, repeats: TensorType) -> TensorType:
        count = length(repeats, 1)
        require(
            count == x.rank,
            f"{count} repeats for the axes of {x}",
            operand=1,
            label=f"needs {x.rank} numbers",
        )
        return x.with_shape((UNKNOWN,) * x.rank)

    def eval(self, x: Array, repeats: Array) -> Array:
        return np.tile(x, repeats)
