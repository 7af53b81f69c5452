"""if, ensure: what the data decides about which part of a graph runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import UNKNOWN, DType, TensorType


@op("if")
class If(Op):
    """The results of `then` on the first `taken` operands after the condition, or of `other` on
    the rest.
    """

    host_only = True

    then: Graph
    other: Graph
    taken: int

    def infer(self, condition: TensorType, *operands: TensorType) -> tuple[TensorType, ...]:
        require_flag(condition)
        parts = operands[: self.taken], operands[self.taken :]
        for body, given in zip((self.then, self.other), parts, strict=True):
            wanted = [value.type for value in body.inputs]
            require(list(given) == wanted, f"a branch takes {wanted}, not {list(given)}")
        pairs = zip(self.then.outputs, self.other.outputs, strict=True)
        return tuple(either(a.tensor, b.tensor) for a, b in pairs)

    def eval(self, condition: Array, *operands: Any) -> tuple[Any, ...]:
        if condition.item():
            return tuple(interpret(self.then, operands[: self.taken]))
        return tuple(interpret(self.other, operands[self.taken :]))


@op("ensure")
class Ensure(Op):
    """x where the condition (one bool) is as `holds` says; otherwise the run fails for `reason`."""

    host_only = True

    holds: bool
    reason: str

    def infer(self, condition: TensorType, x: TensorType) -> TensorType:
        require_flag(condition)
        return x

    def eval(self, condition: Array, x: Array) -> Array:
        if bool(condition.item()) is not self.holds:
            raise NccError("branch", self.reason, exit=ExitCode.UNSUPPORTED)
        return x


def require_flag(condition: TensorType) -> None:
    """Refuse a condition that is not one bool."""
    require(
        condition.dtype is DType.bool and condition.is_static and condition.size == 1,
        f"a condition is one bool, not {condition}",
        operand=0,
    )


def either(a: TensorType, b: TensorType) -> TensorType:
    """The type of a tensor that has one of two types; sizes that differ are left open."""
    require(
        a.dtype is b.dtype and a.rank == b.rank,
        f"one tensor cannot be {a} and {b}",
        hint="both must have one element type and as many axes",
    )
    return a.with_shape(x if x == y else UNKNOWN for x, y in zip(a.shape, b.shape, strict=True))


def stacked(made: list[Array], like: TensorType) -> Array:
    """Tensors of type `like` along a new first axis."""
    sizes = [dim if isinstance(dim, int) else 0 for dim in like.shape]
    return np.stack(made) if made else np.empty((0, *sizes), like.dtype.numpy)
