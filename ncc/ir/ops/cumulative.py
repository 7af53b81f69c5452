"""cumsum, cumprod: what has been combined up to each element of an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.slice import Slice
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
    joins: ClassVar[type[Op]] = Add

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

    def decompose(self, build: Builder, x: Value) -> Value | None:
        """log2(n) steps, each combining with the result so far, 1, 2, 4 .. elements away.

        Hillis and Steele, Data parallel algorithms, CACM 1986.
        """
        if not x.tensor.is_static:
            return None
        total = build(Cast(x.tensor.dtype.compute), x)
        if self.exclusive:
            total = self._shifted(build, total, 1)
        distance = 1
        while distance < x.tensor.dims[self.axis]:
            total = build(self.joins(), total, self._shifted(build, total, distance))
            distance *= 2
        return build(Cast(x.tensor.dtype), total)

    def _shifted(self, build: Builder, x: Value, distance: int) -> Value:
        """x moved by `distance` away from where the elements are taken from, `start` moving in."""
        dims = x.tensor.dims
        distance = min(distance, dims[self.axis])
        here = [distance if axis == self.axis else 0 for axis in range(len(dims))]
        none = [0] * len(dims)
        kept = Slice(
            tuple(here if self.reverse else none),
            tuple(dim - gone for dim, gone in zip(dims, here, strict=True)),
            (1,) * len(dims),
        )
        low, high = (none, here) if self.reverse else (here, none)
        return build(Pad(tuple(low), tuple(high), float(self.start)), build(kept, x))

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
    joins = Mul
