"""Sorts written as loops: numbers in the order of their values, with where they stood.

Few elements go where as many others belong before them. More are sorted by radix: a pass deals the
elements of one line into another by one digit of their keys, from the lowest digit on; elements
with equal digits keep their order, so that equal keys do. What is dealt is what keys are more than
the least, so that whole numbers of 64 bits that are not far apart take two passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, widen
from ncc.backends.cpu.loopir.loops import (
    Apply,
    Assign,
    Buffer,
    Const,
    Convert,
    Expr,
    For,
    If,
    Kind,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.ir.types import DType

DIGIT = 8
BINS = 1 << DIGIT
FEW = 128
"""Elements that are compared with all others sooner than dealt."""
_UNSIGNED = {1: DType.u8, 2: DType.u16, 4: DType.u32, 8: DType.u64}


def key_type(dtype: DType) -> DType:
    """The type of the keys of numbers of `dtype`."""
    return _UNSIGNED[dtype.compute.itemsize]


def worst_key(dtype: DType) -> Const:
    """What no key of numbers of `dtype` is above."""
    keys = key_type(dtype)
    return Const((1 << 8 * keys.itemsize) - 1, keys)


def key_of(value: Expr, *, largest: bool) -> Expr:
    """An unsigned number that is smaller the larger `value` is (or the smaller).

    Zeros of both signs are equal, NaN counts as above all numbers.
    """
    rising = _rising(widen(value))
    return apply("bitnot", rising) if largest else rising


def _rising(value: Expr) -> Expr:
    keys = key_type(value.dtype)
    if not value.dtype.is_float:
        bits = Convert(value, keys, bits=value.dtype is not DType.bool)
        return bits ^ _sign(keys) if value.dtype.is_signed_int else bits
    plain = Convert(value + Const(0.0, value.dtype), _signed(keys), bits=True)
    below = apply("shr", plain, 8 * keys.itemsize - 1)
    flipped = Convert(below, keys, bits=True) | _sign(keys)
    number = Convert(plain, keys, bits=True) ^ flipped
    return Apply("where", (apply("isnan", value), worst_key(value.dtype), number), keys)


def _sign(keys: DType) -> Const:
    return Const(1 << 8 * keys.itemsize - 1, keys)


def _signed(keys: DType) -> DType:
    return DType(keys.value.replace("u", "i"))


@dataclass(frozen=True, slots=True)
class Line:
    """Keys and the places that they come from, i32, from element `base` on of two buffers."""

    keys: Buffer
    places: Buffer
    base: Expr

    def key(self, index: Expr) -> Load:
        return Load(self.keys, self.base + index)

    def place(self, index: Expr) -> Expr:
        return MATH.cast(Load(self.places, self.base + index), DType.i64)

    def put(self, index: Expr, key: Expr, place: Expr) -> tuple[Store, ...]:
        """Stores of a key and its place, which may be of any integer type."""
        at = self.base + index
        stored = MATH.cast(place, self.places.dtype)
        return (Store(self.keys, at, key), Store(self.places, at, stored))

    def take(self, index: Expr, other: Line) -> tuple[Store, ...]:
        """Stores of what `other` holds there."""
        return self.put(index, other.key(index), other.place(index))


class Sorter:
    """Writes sorts between two lines of one kernel."""

    def __init__(self, build: KernelBuilder) -> None:
        self.names = build.names
        self.counts = build.allocate(DType.i32, BINS)

    def sort(self, line: Line, other: Line, count: int) -> tuple[list[Stmt], Line]:
        """Statements that sort the first `count` of `line`, and which of the two then has them."""
        if count <= FEW:
            return [self._ranked(line, other, count)], other
        if line.keys.dtype is DType.u64:
            return self._dealt_in_range(line, other, count), line
        stmts: list[Stmt] = []
        for number in range(line.keys.dtype.itemsize):
            none = Const(0, line.keys.dtype)
            stmts += self._deal(line, other, count, none, number * DIGIT)
            line, other = other, line
        return stmts, line

    def _dealt_in_range(self, line: Line, other: Line, count: int) -> list[Stmt]:
        """Two passes at a time, those left out whose digits are beyond the range of the keys."""
        least, most = (Local(self.names(name), line.keys.dtype) for name in ("l", "m"))
        stmts = self._range(line, count, least, most)
        for there in range(0, 8 * line.keys.dtype.itemsize, 2 * DIGIT):
            passes = (
                *self._deal(line, other, count, least, there),
                *self._deal(other, line, count, least, there + DIGIT),
            )
            in_range = (most - least) >= Const(1 << there, most.dtype)
            stmts.append(If(in_range, passes))
        return stmts

    def _range(self, line: Line, count: int, least: Local, most: Local) -> list[Stmt]:
        """Declares the least and the greatest key."""
        index = self.names.var()
        how = ((least, "min"), (most, "max"))
        found = tuple(Assign(key, apply(fn, key, line.key(index))) for key, fn in how)
        return [
            *(Let(key, line.key(const(0))) for key in (least, most)),
            For(index, count, found, Kind.vector, reduce=how),
        ]

    def _ranked(self, line: Line, other: Line, count: int) -> Stmt:
        """Each element put after those with lower keys, and with equal ones that stand before."""
        index, lane = self.names.var(), self.names.var()
        rank = Local(self.names("r"), DType.i32)
        mine, others = line.key(index), line.key(lane)
        before = (others < mine) | (apply("eq", others, mine) & (lane < index))
        more = Assign(rank, rank + MATH.cast(before, rank.dtype))
        body = (
            Let(rank, const(0, rank.dtype)),
            For(lane, count, (more,), Kind.vector, reduce=((rank, "add"),)),
            *other.put(MATH.cast(rank, DType.i64), mine, line.place(index)),
        )
        return For(index, count, body)

    def _deal(self, line: Line, other: Line, count: int, least: Expr, shift: int) -> list[Stmt]:
        """One pass, by the digit at `shift` of what keys are more than `least`."""

        def slot(index: Expr) -> Expr:
            digit = apply("shr", line.key(index) - least, shift) & (BINS - 1)
            return MATH.cast(digit, DType.i64)

        def counted(index: Expr) -> tuple[Stmt, ...]:
            here = slot(index)
            return (Store(self.counts, here, Load(self.counts, here) + 1),)

        def dealt(index: Expr) -> tuple[Stmt, ...]:
            here, into = slot(index), Local(self.names("d"), DType.i32)
            taken = (Let(into, Load(self.counts, here)), Store(self.counts, here, into + 1))
            at = MATH.cast(into, DType.i64)
            return (*taken, *other.put(at, line.key(index), line.place(index)))

        none = const(0, DType.i32)
        return [
            self.each(BINS, lambda index: (Store(self.counts, index, none),), Kind.vector),
            self.each(count, counted),
            *self._starts(),
            self.each(count, dealt),
        ]

    def _starts(self) -> tuple[Stmt, ...]:
        """Counts become the numbers of elements with lower digits."""
        total, own = (Local(self.names("c"), DType.i32) for _ in range(2))
        index = self.names.var()
        body = (
            Let(own, Load(self.counts, index)),
            Assign(total, total + own),
            Store(self.counts, index, total - own),
        )
        scanned = For(index, BINS, body, Kind.vector, scan=((total, "add"),))
        return (Let(total, const(0, DType.i32)), scanned)

    def each(
        self, count: int, body: Callable[[Expr], tuple[Stmt, ...]], kind: Kind = Kind.serial
    ) -> For:
        """A loop over `count` positions."""
        index = self.names.var()
        return For(index, count, body(index), kind)
