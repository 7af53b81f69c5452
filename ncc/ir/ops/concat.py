"""concat: tensors one after the other along an axis."""

from __future__ import annotations

import numpy as np

from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.rewrite import P, Skip, canonical
from ncc.ir.types import UNKNOWN, Dim, TensorType, dim_add


@op("concat")
class Concat(Op):
    """The operands joined along `axis`; their other axes agree."""

    axis: int

    def infer(self, first: TensorType, *others: TensorType) -> TensorType:
        require(
            0 <= self.axis < first.rank,
            f"concat along axis {self.axis} of {first}",
            hint=f"give an axis from 0 to {first.rank - 1}",
            operand=0,
            label=f"has {first.rank} axes",
        )
        shape = list(first.shape)
        for index, other in enumerate(others, 1):
            require(
                other.dtype is first.dtype and other.rank == first.rank,
                f"cannot concatenate {first} and {other}",
                operand=index,
                label=f"needs {first.rank} axes of {first.dtype.value}",
            )
            for axis, dim in enumerate(other.shape):
                shape[axis] = (
                    dim_add(shape[axis], dim)
                    if axis == self.axis
                    else self._agreed(shape[axis], dim, first, other, index)
                )
        return first.with_shape(shape)

    def _agreed(self, a: Dim, b: Dim, first: TensorType, other: TensorType, index: int) -> Dim:
        """The common size of an axis that is not joined; an unknown one may be anything."""
        require(
            a == b or UNKNOWN in {a, b},
            f"cannot concatenate {first} and {other} along axis {self.axis}",
            hint="all other axes must have equal sizes",
            operand=index,
            label=f"has {b} where {a} is needed",
        )
        return b if a is UNKNOWN else a

    def eval(self, *operands: Array) -> Array:
        return np.concatenate(operands, self.axis)


@canonical(P(Concat, node="node", bind="concat"))
def flatten_concat(build: Builder, node: Node, concat: Concat) -> Value | Skip:
    """concat(x) -> x, and concat(concat(a, b), c) -> concat(a, b, c); empty operands go."""
    parts: list[Value] = []
    for value in node.operands:
        nested = value.node.operands if value.node and value.op == concat else (value,)
        parts += [part for part in nested if part.tensor.shape[concat.axis] != 0]
    if len(parts) <= 1:
        return parts[0] if parts else node.operands[0]
    if len(parts) == len(node.operands):
        return Skip("no operand is empty or a concat along the same axis")
    return build(concat, *parts)
