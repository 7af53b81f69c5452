"""Multiplying and adding by operand type: how A and B are read, and what one product takes."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, integer, literal, vector_literal
from ncc.backends.cpu.emit.types import element, stored
from ncc.backends.cpu.loopir.loops import Contract
from ncc.backends.cpu.loopir.panels import WORD_BITS, BlockPack
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import accumulator_lanes
from ncc.ir.types import DType

TABLE_BITS, TABLE_SIZE = 4, 16
"""What a vector of 16 numbers is a table for: an instruction looks at the lowest 4 bits alone."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Products of floats of the type of their sums: one element of A with `lanes` of B.

    `operand` is the type of an element of A, `right` that of one of B.
    """

    operand: DType
    right: DType
    lanes: int

    @property
    def stored(self) -> str:
        """The LLVM type of an operand in memory."""
        return stored(self.operand)

    @property
    def sum(self) -> str:
        """The LLVM type of a sum."""
        return element(self.operand)

    @property
    def width(self) -> int:
        """Elements of the run that one lane takes."""
        return 1

    @property
    def matrix(self) -> str | None:
        """The instruction that makes these products in matrix registers, where they have them."""
        return None

    @property
    def name(self) -> str:
        """That of its instructions; units that have the same are as fast."""
        return {"float": "f32", "double": "f64"}.get(self.sum, self.sum)

    def zero(self) -> Value:
        """A vector of empty sums."""
        return literal(0, self.sum, self.lanes)

    def broadcast(self, code: Code, pointer: Value) -> Value:
        """The elements of A that one step takes, in every lane."""
        return code.splat(code.load(pointer, self.stored), self.lanes)

    def broadcast_last(self, code: Code, pointer: Value, left: int) -> Value:
        """The `left` elements of A that a run has for its last step, which they do not fill."""
        raise AssertionError("a step of one element is never short")

    def vector(self, code: Code, pointer: Value) -> Value:
        """The elements of B that one step takes."""
        return code.load(pointer, self.stored, self.lanes)

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return code.intrinsic("llvm.fma", a, b, total)

    def add(self, code: Code, x: Value, y: Value) -> Value:
        """The sum of two partial sums."""
        return code.binary("fadd" if x.is_float else "add", x, y)


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
    def sum(self) -> str:
        return "float"

    def broadcast(self, code: Code, pointer: Value) -> Value:
        x = code.load(pointer, self.stored)
        return code.splat(_widened(code, x) if self.operand is DType.bf16 else x, self.lanes)

    def vector(self, code: Code, pointer: Value) -> Value:
        wide = code.resize(code.load(pointer, "i8", self.lanes), "i32", signed=True)
        return code.convert("sitofp", wide, "float")


@dataclass(frozen=True, slots=True)
class BlockUnit(Unit):
    """Products of f32 with integers of a few bits, which lie as `pack` says."""

    pack: BlockPack

    def vector(self, code: Code, pointer: Value) -> Value:
        """The words that a vector of columns has for one step."""
        return code.load(pointer, "i32", self.lanes)

    def factor(self, code: Code, words: Value, place: int) -> Value:
        """The integers at one place of each word, as f32."""
        bits = self.pack.bits
        if bits <= TABLE_BITS and self.lanes == TABLE_SIZE:
            table = vector_literal([_signed(n, bits) for n in range(TABLE_SIZE)], "float")
            down = code.binary("lshr", words, literal(bits * place, "i32", self.lanes))
            return code.call("llvm.x86.avx512.permvar.sf.512", table, table, down)
        up, unused = WORD_BITS - bits * (place + 1), WORD_BITS - bits
        high = code.binary("shl", words, literal(up, "i32", self.lanes))
        whole = code.binary("ashr", high, literal(unused, "i32", self.lanes))
        return code.convert("sitofp", whole, "float")


def _signed(number: int, bits: int) -> int:
    """What the lowest bits of a number are as an integer with a sign."""
    half = 1 << (bits - 1)
    return (number + half) % (2 * half) - half


class GroupUnit(Unit):
    """Dot products of as many neighbours in the run as fill 32 bits, added to sums of 32 bits."""

    __slots__ = ()

    @property
    def part(self) -> str:
        """The LLVM type of an element, as the instruction takes it."""
        return self.stored

    @property
    def width(self) -> int:
        return 4 // self.operand.itemsize

    def broadcast(self, code: Code, pointer: Value) -> Value:
        return self._everywhere(code, code.load(pointer, "i32", align=self.operand.itemsize))

    def broadcast_last(self, code: Code, pointer: Value, left: int) -> Value:
        size = self.operand.itemsize
        group = literal(0, "i32")
        for number in range(left):
            place = code.offset(pointer, self.stored, integer(number)) if number else pointer
            one = code.resize(code.load(place, self.stored), "i32", signed=False)
            shifted = code.binary("shl", one, literal(8 * size * number, "i32")) if number else one
            group = code.binary("or", group, shifted) if number else shifted
        return self._everywhere(code, group)

    def _everywhere(self, code: Code, group: Value) -> Value:
        everywhere, count = code.splat(group, self.lanes), self.width * self.lanes
        return code.value(f"bitcast {everywhere} to <{count} x {self.part}>", self.part, count)

    def vector(self, code: Code, pointer: Value) -> Value:
        return code.load(pointer, self.part, self.width * self.lanes)


class PairUnit(GroupUnit):
    """The dot product of pairs of bf16, added to f32 (AVX512-BF16 VDPBF16PS)."""

    __slots__ = ()

    @property
    def part(self) -> str:
        return "bfloat"

    @property
    def sum(self) -> str:
        return "float"

    @property
    def name(self) -> str:
        return "bf16"

    @property
    def matrix(self) -> str | None:
        return "llvm.x86.tdpbf16ps"

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
        return code.splat(_wide(code, code.load(pointer, self.stored), self.operand), self.lanes)

    def vector(self, code: Code, pointer: Value) -> Value:
        return _wide(code, code.load(pointer, stored(self.right), self.lanes), self.right)

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return self.add(code, total, code.binary("mul", a, b))


class QuadUnit(GroupUnit):
    """The dot product of four u8 by four i8, added to i32 (AVX512-VNNI VPDPBUSD)."""

    __slots__ = ()

    @property
    def sum(self) -> str:
        return "i32"

    @property
    def name(self) -> str:
        return "i8"

    @property
    def matrix(self) -> str | None:
        return "llvm.x86.tdpbusd"

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        return code.call(f"llvm.x86.avx512.vpdpbusd.{32 * self.lanes}", total, total, a, b)


class ArmQuadUnit(QuadUnit):
    """The same by USDOT, of the i8mm extension of Arm."""

    __slots__ = ()

    def multiply_add(self, code: Code, total: Value, a: Value, b: Value) -> Value:
        name = f"llvm.aarch64.neon.usdot.v{self.lanes}i32.v{4 * self.lanes}i8"
        return code.call(name, total, total, a, b)


def unit_of(stmt: Contract, target: Target) -> Unit:
    """The unit for a contraction."""
    if isinstance(stmt.pack, BlockPack):
        lanes = accumulator_lanes(stmt.a.dtype, target)
        return BlockUnit(stmt.a.dtype, stmt.b.dtype, lanes, stmt.pack)
    return unit_for(stmt.a.dtype, stmt.b.dtype, stmt.pack.kr, target)


def unit_for(left: DType, right: DType, kr: int, target: Target) -> Unit:
    """The unit for operands of these types that are packed `kr` at a time."""
    lanes = accumulator_lanes(left, target)
    return _class(left, right, kr, target.machine)(left, right, lanes)


def _class(left: DType, right: DType, kr: int, machine: str) -> type[Unit]:
    if kr > 1:
        return _GROUPS[left, machine]
    if left.is_int:
        return IntegerUnit
    if right is not left:
        return BytesUnit
    return WideningUnit if left is DType.bf16 else Unit


_GROUPS: dict[tuple[DType, str], type[Unit]] = {
    (DType.bf16, "x86_64"): PairUnit,
    (DType.bf16, "aarch64"): ArmPairUnit,
    (DType.u8, "x86_64"): QuadUnit,
    (DType.u8, "aarch64"): ArmQuadUnit,
}
"""Who multiplies several elements of a run at a time, by what A has and by machine."""


def _wide(code: Code, x: Value, dtype: DType) -> Value:
    return code.resize(x, "i32", signed=dtype.is_signed_int)


def _widened(code: Code, bits: Value) -> Value:
    wide = code.resize(bits, "i32", signed=False)
    return code.convert(
        "bitcast", code.binary("shl", wide, literal(16, "i32", wide.lanes)), "float"
    )
