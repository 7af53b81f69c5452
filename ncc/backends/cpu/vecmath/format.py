"""Float formats, and the small formulas on their bits that every function shares.

Formulas are written over `Math` and read twice: by numpy in the tests, as loop expressions for
code. They rely on each operation rounding once, in the order written: code made from them must
not be compiled with reassociation or contraction allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType


@dataclass(frozen=True, slots=True)
class Format:
    """A binary float format of IEEE 754."""

    dtype: DType
    bits: DType
    """The unsigned integer of the same width."""
    fraction: int
    """Stored bits of the significand."""
    bias: int
    """Of the exponent; also the largest exponent."""

    @property
    def magic(self) -> float:
        """Added to a small x, rounds it to an integer, held in the low bits of the sum."""
        return 1.5 * 2.0**self.fraction

    @property
    def least_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def top(self) -> int:
        """The position of the sign bit."""
        return 8 * self.dtype.itemsize - 1

    @property
    def sign(self) -> int:
        """The sign bit alone."""
        return 1 << self.top

    def number(self, value: float) -> float:
        """A constant of this format."""
        return float(self.dtype.numpy.type(value))

    def numbers(self, *values: float) -> tuple[float, ...]:
        """Constants of this format."""
        return tuple(map(self.number, values))


F32 = Format(DType.f32, DType.u32, fraction=23, bias=127)
F64 = Format(DType.f64, DType.u64, fraction=52, bias=1023)


def polynomial(m: Math, x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """sum(c[i] * x**i), by Horner's rule."""
    *low, second, top = coefficients
    total = m.fma(x, top, second)
    for coefficient in reversed(low):
        total = m.fma(total, x, coefficient)
    return total


def at_least(m: Math, x: Scalar, low: float) -> Scalar:
    """max(x, low), x where it is NaN: one instruction, where `m.max` is several."""
    return m.where(x < low, low, x)


def at_most(m: Math, x: Scalar, high: float) -> Scalar:
    """min(x, high), x where it is NaN."""
    return m.where(x > high, high, x)


def sign_of(m: Math, form: Format, x: Scalar) -> Scalar:
    """The sign bit of x, alone, as an integer."""
    return m.bitcast(x, form.bits) & form.sign


def with_sign(m: Math, form: Format, x: Scalar, sign: Scalar) -> Scalar:
    """x, negated where the integer `sign` has the sign bit set."""
    return m.bitcast(m.bitcast(x, form.bits) ^ sign, form.dtype)


def odd(m: Math, form: Format, positive: Scalar, x: Scalar) -> Scalar:
    """f(x) of an odd f, from `positive` = f(|x|); keeps the sign of zero."""
    return with_sign(m, form, positive, sign_of(m, form, x))


def power_of_two(m: Math, form: Format, biased: Scalar) -> Scalar:
    """2**k, from a sum whose low bits hold k + bias, with 0 < k + bias < 2 * bias + 1."""
    return m.bitcast(shift_left(m, m.bitcast(biased, form.bits), form.fraction), form.dtype)


def shift_left(m: Math, bits: Scalar, count: int) -> Scalar:
    """bits * 2**count, modulo the range."""
    return m.shl(bits, m.const(count, bits))


def shift_right(m: Math, bits: Scalar, count: int) -> Scalar:
    """bits / 2**count, rounded down."""
    return m.shr(bits, m.const(count, bits))


def two_product(m: Math, a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
    """a * b as the rounded product and its exact error (Dekker 1971, with fma)."""
    high = a * b
    return high, m.fma(a, b, -high)


def two_sum(a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
    """a + b as the rounded sum and its exact error (Knuth, TAOCP volume 2, 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def fast_two_sum(a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
    """`two_sum` for |a| >= |b| (Dekker 1971)."""
    total = a + b
    return total, b - (total - a)
