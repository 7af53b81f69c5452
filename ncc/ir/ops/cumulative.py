"""cumsum, cumprod: what has been combined up to each element of an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class Cumulative(Op):
    """Element i combines the elements 0 .. i of `axis`; without i itself when `exclusive`.

    When `reverse` the elements are taken from the last one on. Done in `dtype.compute`.
    """

    axis: int
    exclusive: bool = False
    reverse: bool = False

    start: ClassVar[int] = 0
    """What combines with an element to that element."""
    accumulate: ClassVar[np.ufunc] = np.add
    how: ClassVar[str] = "add"
    """The scalar function that combines two."""

    def infer(self, x: TensorType) -> TensorType:
        require(
            0 <= self.axis < x.rank,
            f"{self.name} of {x} along axis {self.axis}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        return x

    def eval(self, x: Array) -> Array:
        ordered = np.flip(x, self.axis) if self.reverse else x
        wide = ordered.astype(DType.of(x.dtype).compute.numpy)
        if self.exclusive:
            wide = np.roll(wide, 1, self.axis)
            np.moveaxis(wide, self.axis, 0)[:1] = self.start
        with np.errstate(all="ignore"):
            joined = self.accumulate.accumulate(wide, self.axis, dtype=wide.dtype)
        return (np.flip(joined, self.axis) if self.reverse else joined).astype(x.dtype)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return operands[0].size


@op("cumsum")
class Cumsum(Cumulative):
    """The sum so far."""


@op("cumprod")
class Cumprod(Cumulative):
    """The product so far."""

    start = 1
    accumulate = np.multiply
    how = "mul"
