"""fmod: the remainder of a division, exact."""

from __future__ import annotations

import math

from ncc.backends.cpu.vecmath.format import F32, F64, Format, odd
from ncc.ir.scalar import Math, Scalar

STEP = 48
"""Bits of the quotient found at a time: few enough that each part is within 1/2 + 2**-4."""

PARTS = {F32: 6, F64: 44}
"""STEP times this covers the exponents of the largest quotient: 2**277 and 2**2098."""


def fmod(m: Math, form: Format, a: Scalar, b: Scalar) -> Scalar:
    """The remainder of a / b with the sign of a; NaN for infinite a or b = 0.

    Long division in f64. Each part of the quotient is rounded to nearest, so the rest is about
    half a divisor at most and, being a multiple of the last place of a or of b, it fits the
    format: each fma is exact. Divisors that overflow are larger than a and change nothing.
    """
    x, y = (m.cast(value, F64.dtype) for value in (a, b))
    divisors = [m.abs(y)]
    while len(divisors) < PARTS[form]:
        divisors.append(divisors[-1] * 2.0**STEP)
    rest = m.abs(x)
    for divisor in reversed(divisors):
        part = m.round(rest / divisor)
        rest = m.where(m.eq(divisor, math.inf), rest, m.fma(-part, divisor, rest))
    rest = m.where(rest < 0.0, rest + divisors[0], rest)
    finite = m.where(m.isinf(x), math.nan, rest)
    return odd(m, form, m.cast(finite, form.dtype), a)
