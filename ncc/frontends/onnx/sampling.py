"""Elements of a tensor at places between its own, computed at run time: as ops of the core."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ncc.frontends.onnx.context import Context
from ncc.ir.graph import Value
from ncc.ir.indexing import counting, row_major_strides, weighted_sum
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Abs, Add, Mul, Sub
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.compare import GreaterEqual, LessEqual
from ncc.ir.ops.extremum import Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.logic import And
from ncc.ir.ops.remainder import Fmod
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.rounding import Floor, Round
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.sampling import Interpolation
from ncc.ir.types import DType

CUBIC = -0.75
"""The coefficient of the cubic kernel that other frameworks use here."""


class Outside(Enum):
    """What lies beyond the ends of an axis."""

    ZEROS = "zeros"
    BORDER = "border"
    REFLECTION = "reflection"


@dataclass(frozen=True)
class Sampler:
    """How places become elements; mirrors stand `margin` before the first and after the last."""

    ctx: Context
    mode: Interpolation
    outside: Outside
    margin: float = 0.0

    def sample(self, x: Value, places: Sequence[Value]) -> Value:
        """x [N, C, *spatial] at f32 coordinates [N, *places] per spatial axis: [N, *places, C]."""
        n, c, *sizes = x.tensor.dims
        outer = places[0].tensor.dims
        perm = (0, *range(2, 2 + len(sizes)), 1)
        table = self._build(Reshape((n * math.prod(sizes), c)), self._build(Transpose(perm), x))
        batch = counting(self.ctx.build, len(outer), 0, n, DType.i64)
        strides = row_major_strides(sizes)
        axes = [self._taps(place, size) for place, size in zip(places, sizes, strict=True)]
        total: Value | None = None
        for taps in itertools.product(*axes):
            terms = [(tap.index, stride) for tap, stride in zip(taps, strides, strict=True)]
            flat = weighted_sum(self.ctx.build, [*terms, (batch, math.prod(sizes))], DType.i64)
            rows = self.ctx.cast(self._build(Gather(0), table, flat), DType.f32)
            for weight in (tap.weight for tap in taps if tap.weight is not None):
                rows = self._build(Mul(), rows, self._build(Reshape((*outer, 1)), weight))
            total = rows if total is None else self._build(Add(), total, rows)
        assert total is not None, "a sample of no axes"
        return self.ctx.cast(total, x.tensor.dtype)

    def _taps(self, place: Value, size: int) -> list[_Tap]:
        """The elements along one axis that a place is made of."""
        if self.mode is Interpolation.NEAREST:
            return [self._tap(self._build(Round(), place), None, size)]
        first = self._build(Floor(), place)
        fraction = self._build(Sub(), place, first)
        steps = (0, 1) if self.mode is Interpolation.LINEAR else (-1, 0, 1, 2)
        return [
            self._tap(self._plus(first, step), self._kernel(fraction, step), size) for step in steps
        ]

    def _tap(self, index: Value, weight: Value | None, size: int) -> _Tap:
        """The element at a whole number, or what stands for it outside of the axis."""
        if self.outside is Outside.ZEROS:
            after = self._build(GreaterEqual(), index, self._number(0))
            before = self._build(LessEqual(), index, self._number(size - 1))
            inside = self._build(And(), after, before)
            given = self._number(1) if weight is None else weight
            weight = self._build(Where(), inside, given, self._number(0))
        if self.outside is Outside.REFLECTION:
            index = self._reflected(index, size)
        return _Tap(self.ctx.cast(self._build(Clip(0, size - 1), index), DType.i64), weight)

    def _reflected(self, index: Value, size: int) -> Value:
        """An index on an axis between two mirrors, where it runs to and fro."""
        low, span = -self.margin, size - 1 + 2 * self.margin
        if not span:
            return index
        distance = self._build(Abs(), self._plus(index, -low))
        phase = self._build(Fmod(), distance, self._number(2 * span))
        back = self._build(Sub(), self._number(2 * span), phase)
        return self._plus(self._build(Min(), phase, back), low)

    def _kernel(self, fraction: Value, step: int) -> Value:
        """The weight of the element `step` after the one before a place."""
        sign = 1 if step <= 0 else -1
        signed = fraction if sign == 1 else self._build(Sub(), self._number(0), fraction)
        d = self._plus(signed, -step * sign)
        if self.mode is Interpolation.LINEAR:
            return self._build(Sub(), self._number(1), d)
        if step in {0, 1}:
            return self._polynomial(d, (CUBIC + 2, -(CUBIC + 3), 0, 1))
        return self._polynomial(d, (CUBIC, -5 * CUBIC, 8 * CUBIC, -4 * CUBIC))

    def _polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """By Horner's rule, the highest power first."""
        total = self._number(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self._plus(self._build(Mul(), total, x), coefficient)
        return total

    def _plus(self, x: Value, number: float) -> Value:
        return self._build(Add(), x, self._number(number)) if number else x

    def _number(self, value: float) -> Value:
        return self.ctx.const(value, DType.f32)

    def _build(self, op: Op, *operands: Value) -> Value:
        return self.ctx.build(op, *operands)


@dataclass(frozen=True)
class _Tap:
    """Indices (i64) along an axis and their weights (f32; None for 1)."""

    index: Value
    weight: Value | None
