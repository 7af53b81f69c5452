"""Multiplying and adding by operand type: how A and B are read, and what one product takes."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, literal
from ncc.backends.cpu.emit.types import element, stored
from ncc.backends.cpu.loops import Contract
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import accumulator_lanes
from ncc.ir.types import DType


@dataclass(frozen=True, slots=True)
class Unit:
    """Products of floats of the type of their sums: one element of A with `lanes` of B."""

    operand: DType
    lanes: int

    @property
    def right(self) -> DType:
        """The type of an element of B."""
        return self.operand

    @property
    def stored(self) -> str:
        """The LLVM type of an operand in memory."""
        return stored(self.operand)

    @property
    def sum(self) -> str:
        """The LLVM type of a sum."""
        return element(self.operand)

    def zero(self) -> Value:
        """A vector of empty sums."""
        return literal(0, self.sum, self.lanes)

    def broadcast(self, code: Code, pointer: Value) -> Value:
        """The elements of A that one step takes, in every lane."""
        return code.splat(code.load(pointer, self.stored), self.lanes)

    def broadcast_last(self, code: Code, pointer: Value) -> Value:
        """The elements of A that are left when a run does not fill its last step."""
        raise AssertionError("a step of one element is never short")

    def vector(self, code: Code, pointer: Value) -> Value:
        """The elements of B that one step takes."""
        return code.load(pointer, self.stored, self.lanes)

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return code.intrinsic("llvm.fma", a, b, total)

    def add(self, code: Code, x: Value, y: Value) -> Value:
        """The sum of two partial sums."""
        return code.binary("fadd", x, y)


class WideningUnit(Unit):
    """Products of bf16 as f32, exactly: a bf16 is the upper half of its f32."""

    __slots__ = ()

    @property
    def sum(self) -> str:
        return "float"

    def broadcast(self, code: Code, pointer: Value) -> Value:
        return code.splat(_widened(code, code.load(pointer, self.stored)), self.lanes)

    def vector(self, code: Code, pointer: Value) -> Value:
        return _widened(code, code.load(pointer, self.stored, self.lanes))


class BytesUnit(Unit):
    """Products of floats with integers of 8 bits, made floats when they are read."""

    __slots__ = ()

    @property
    def right(self) -> DType:
        return DType.i8

    @property
    def sum(self) -> str:
        return "float"

    def broadcast(self, code: Code, pointer: Value) -> Value:
        x = code.load(pointer, self.stored)
        return code.splat(_widened(code, x) if self.operand is DType.bf16 else x, self.lanes)

    def vector(self, code: Code, pointer: Value) -> Value:
        wide = code.resize(code.load(pointer, "i8", self.lanes), "i32", signed=True)
        return code.convert("sitofp", wide, "float")


class PairUnit(Unit):
    """The dot product of pairs of bf16, added to f32 (AVX512-BF16 VDPBF16PS)."""

    __slots__ = ()

    @property
    def sum(self) -> str:
        return "float"

    def broadcast(self, code: Code, pointer: Value) -> Value:
        return self._pairs(code, code.load(pointer, "i32", align=2))

    def broadcast_last(self, code: Code, pointer: Value) -> Value:
        return self._pairs(code, code.resize(code.load(pointer, "i16"), "i32", signed=False))

    def _pairs(self, code: Code, pair: Value) -> Value:
        everywhere = code.splat(pair, self.lanes)
        return code.value(
            f"bitcast {everywhere} to <{2 * self.lanes} x bfloat>", "bfloat", 2 * self.lanes
        )

    def vector(self, code: Code, pointer: Value) -> Value:
        return code.load(pointer, "bfloat", 2 * self.lanes)

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return code.call(f"llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}", total, total, a, b)


class ArmPairUnit(PairUnit):
    """The same by BFDOT, of the bf16 extension of Arm."""

    __slots__ = ()

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        name = f"llvm.aarch64.neon.bfdot.v{self.lanes}f32.v{2 * self.lanes}bf16"
        return code.call(name, total, total, a, b)


class IntegerUnit(Unit):
    """Products of integers, widened to i32 first; sums wrap around."""

    __slots__ = ()

    @property
    def sum(self) -> str:
        return "i32"

    def broadcast(self, code: Code, pointer: Value) -> Value:
        return code.splat(self._wide(code, code.load(pointer, self.stored)), self.lanes)

    def vector(self, code: Code, pointer: Value) -> Value:
        return self._wide(code, code.load(pointer, self.stored, self.lanes))

    def _wide(self, code: Code, x: Value) -> Value:
        return code.resize(x, "i32", signed=self.operand.is_signed_int)

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return self.add(code, total, code.binary("mul", a, b))

    def add(self, code: Code, x: Value, y: Value) -> Value:
        return code.binary("add", x, y)


def unit_of(stmt: Contract, target: Target) -> Unit:
    """The unit for a contraction in vector registers."""
    if stmt.b.dtype is not stmt.a.dtype:
        return BytesUnit(stmt.a.dtype, accumulator_lanes(DType.f32, target))
    return unit_for(stmt.a.dtype, stmt.pack.kr, target)


def unit_for(dtype: DType, kr: int, target: Target) -> Unit:
    """The unit for operands of `dtype` that are packed `kr` at a time."""
    lanes = accumulator_lanes(dtype, target)
    if dtype.is_int:
        return IntegerUnit(dtype, lanes)
    if dtype is not DType.bf16:
        return Unit(dtype, lanes)
    if kr == 1:
        return WideningUnit(dtype, lanes)
    return _PAIRS[target.machine](dtype, lanes)


_PAIRS = {"x86_64": PairUnit, "aarch64": ArmPairUnit}
"""Who multiplies pairs, by machine."""


def _widened(code: Code, bits: Value) -> Value:
    wide = code.resize(bits, "i32", signed=False)
    return code.convert(
        "bitcast", code.binary("shl", wide, literal(16, "i32", wide.lanes)), "float"
    )
