"""log, log1p and the inverse hyperbolic functions.

x = 2**k * (1 + f) with 1 + f in [2/3, 4/3): taking the bits of 2/3 away from those of x leaves k
above the fraction, by integer arithmetic alone (Tang 1990 reduces the same way with a table).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.backends.cpu.vecmath.format import (
    F32,
    F64,
    Format,
    odd,
    polynomial,
    shift_left,
    shift_right,
)
from ncc.ir.scalar import Math, Scalar


@dataclass(frozen=True, slots=True)
class Numbers:
    """Constants of this family in one format. Coefficients are from bench/minimax.py."""

    two_thirds: int
    """The bits of 2/3."""
    large: float
    """From here up, 1 + x is x and sqrt(x * x + 1) is x."""
    ln2: float
    log: tuple[float, ...]
    """log(1 + f) = f + f**2 * P(f) on [-1/3, 1/3]."""


LN2 = 0.6931471805599453
NUMBERS = {
    F32: Numbers(
        two_thirds=0x3F2AAAAB,
        large=2.0**30,
        ln2=F32.number(LN2),
        log=F32.numbers(
            -0.5,
            0.3333321,
            -0.24999717,
            0.20010747,
            -0.16682304,
            0.14001161,
            -0.121671654,
            0.14004758,
            -0.1294892,
        ),
    ),
    F64: Numbers(
        two_thirds=0x3FE5555555555555,
        large=2.0**60,
        ln2=LN2,
        log=(
            -0.49999999999999956,
            0.3333333333333313,
            -0.25000000000029454,
            0.20000000000083837,
            -0.16666666660891735,
            0.1428571427345387,
            -0.1250000051458117,
            0.1111111200701674,
            -0.09999974936170872,
            0.09090871356172356,
            -0.08334063323294548,
            0.0769329020598869,
            -0.07129619886683773,
            0.06650378545106028,
            -0.06399973161460093,
            0.06053739365560053,
            -0.045347574217824385,
            0.041675600134471455,
            -0.0869512062243737,
            0.08513083228272417,
        ),
    ),
}


def split(m: Math, form: Format, x: Scalar) -> tuple[Scalar, Scalar]:
    """(e, y) with x = 2**(e - bias) * y, e an integer, y in [2/3, 4/3), for normal positive x."""
    two_thirds = NUMBERS[form].two_thirds
    moved = m.bitcast(x, form.bits) + ((form.bias << form.fraction) - two_thirds)
    fraction = moved & ((1 << form.fraction) - 1)
    return shift_right(m, moved, form.fraction), m.bitcast(fraction + two_thirds, form.dtype)


def offset(m: Math, form: Format, e: Scalar) -> Scalar:
    """2**fraction + e as a float: the integer is written into its low bits."""
    return m.bitcast(e | (form.bias + form.fraction << form.fraction), form.dtype)


def assemble(m: Math, form: Format, minus_k: Scalar, f: Scalar, x: Scalar) -> Scalar:
    """log(x) = k * ln 2 + log(1 + f); what IEEE 754 says where x is not positive and finite.

    Minus k rather than k, because then f = -0 gives -0.
    """
    c = NUMBERS[form]
    near = m.fma(f * f, polynomial(m, f, c.log), f)
    value = m.where(x < math.inf, m.fma(minus_k, -c.ln2, near), x)
    return m.where(m.eq(x, 0.0), -math.inf, m.where(x < 0.0, math.nan, value))


def reduced(m: Math, form: Format, x: Scalar) -> tuple[Scalar, Scalar]:
    """(-k, f) as floats with x = 2**k * (1 + f), for positive x; subnormal x is scaled first."""
    small = x < form.least_normal
    e, y = split(m, form, m.where(small, x * 2.0**form.fraction, x))
    zero = 2.0**form.fraction + form.bias
    bias = m.where(small, zero + form.fraction, m.const(zero, x))
    return bias - offset(m, form, e), y - 1.0


def log(m: Math, form: Format, x: Scalar) -> Scalar:
    """The natural logarithm."""
    minus_k, f = reduced(m, form, x)
    return assemble(m, form, minus_k, f, x)


def log1p(m: Math, form: Format, x: Scalar) -> Scalar:
    """log(1 + x), with f = x * 2**-k - (1 - 2**-k) so that the rounding of 1 + x is not felt.

    x * 2**-k is made on the bits; 2**(1-k) is used, as 2**-k would be subnormal for the largest x.
    """
    u = x + 1.0
    e, _ = split(m, form, u)
    field = shift_left(m, e, form.fraction)
    scaled = m.bitcast(x, form.bits) - (field - (form.bias << form.fraction))
    twice = m.bitcast((2 * form.bias + 1 << form.fraction) - field, form.dtype)
    f = m.bitcast(scaled, form.dtype) - m.fma(twice, -0.5, 1.0)
    minus_k = (2.0**form.fraction + form.bias) - offset(m, form, e)
    return assemble(m, form, minus_k, f, u)


def asinh(m: Math, form: Format, x: Scalar) -> Scalar:
    """log1p(|x| + |x|**2 / (1 + sqrt(|x|**2 + 1))), or log(2 |x|) where that overflows."""
    a = m.abs(x)
    square = a * a
    below = a + square / (m.sqrt(square + 1.0) + 1.0)
    return odd(m, form, _log1p_or_double(m, form, below, a), x)


def acosh(m: Math, form: Format, x: Scalar) -> Scalar:
    """log1p(t + sqrt(t * (x + 1))) with t = x - 1, or log(2 x) where that overflows."""
    t = x - 1.0
    below = t + m.sqrt(t * (x + 1.0))
    return m.where(x < 1.0, math.nan, _log1p_or_double(m, form, below, x))


def _log1p_or_double(m: Math, form: Format, below: Scalar, x: Scalar) -> Scalar:
    """log1p(below), or log(2 * x) where x is so large that this is log1p(x) + ln 2."""
    c = NUMBERS[form]
    large = x > c.large
    return log1p(m, form, m.where(large, x, below)) + m.where(large, c.ln2, m.const(0.0, x))


def atanh(m: Math, form: Format, x: Scalar) -> Scalar:
    """log1p(2 |x| / (1 - |x|)) / 2."""
    a = m.abs(x)
    return odd(m, form, log1p(m, form, (a + a) / (1.0 - a)) * 0.5, x)
