"""gather: slices of a tensor in the order that indices say."""

from __future__ import annotations

import numpy as np

from ncc.diagnostics import NccError
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import TensorType


@op("gather")
class Gather(Op):
    """result[.., i.., ..] = x[.., indices[i..], ..]: the indices' axes replace `axis`.

    Indices count from 0. One outside the axis is an error here and clamped in device code.
    """

    axis: int

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        require(
            0 <= self.axis < x.rank,
            f"gather along axis {self.axis} of {x}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        require_indices(indices)
        return x.with_shape(x.shape[: self.axis] + indices.shape + x.shape[self.axis + 1 :])

    def eval(self, x: Array, indices: Array) -> Array:
        check_range(indices, x.shape[self.axis])
        return np.take(x, indices, self.axis)


def require_indices(indices: TensorType, operand: int = 1) -> None:
    """Refuse indices that are not integers."""
    require(
        indices.dtype.is_int,
        f"indices must be integers, not {indices}",
        operand=operand,
        label=f"is {indices.dtype.value}",
    )


def check_range(indices: Array, size: int) -> None:
    """Refuse an index that is not 0 .. size - 1."""
    outside = indices[(indices < 0) | (indices >= size)]
    if outside.size:
        raise NccError("index", f"index {outside.flat[0]} is outside an axis of {size}")


@canonical(P(Gather, V("x"), P(Constant, bind="indices"), bind="gather", node="node"))
def regular_gather(
    build: Builder, gather: Gather, x: Value, indices: Constant, node: Node
) -> Value | Skip:
    """gather(x, [a, a + s, a + 2 * s, ...]) -> slice(x), reshaped for indices of other ranks."""
    flat = indices.value.array.ravel()
    steps = np.unique(np.diff(flat))
    if len(steps) > 1 or 0 in steps or not flat.size:
        return Skip("the indices are not at a regular distance")
    if not x.tensor.is_static or flat.min() < 0 or flat.max() >= x.tensor.dims[gather.axis]:
        return Skip(f"the indices may be outside of {x.type}")
    dims = x.tensor.dims
    part = Slice(
        _with_axis((0,) * len(dims), gather.axis, int(flat[0])),
        _with_axis(dims, gather.axis, flat.size),
        _with_axis((1,) * len(dims), gather.axis, int(steps[0]) if steps.size else 1),
    )
    return build(Reshape(node.result.tensor.shape), build(part, x))


def _with_axis(values: tuple[int, ...], axis: int, value: int) -> tuple[int, ...]:
    return (*values[:axis], value, *values[axis + 1 :])
