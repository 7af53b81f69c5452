"""sin, cos and tan, accurate for arguments of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.backends.cpu.vecmath.format import (
    F32,
    F64,
    Format,
    fast_two_sum,
    polynomial,
    shift_left,
    sign_of,
    with_sign,
)
from ncc.backends.cpu.vecmath.turns import quarter_turns
from ncc.ir.scalar import Math, Scalar


@dataclass(frozen=True, slots=True)
class Numbers:
    """Coefficients in one format, for |x| up to 33/32 of pi/4; from bench/minimax.py."""

    sin: tuple[float, ...]
    """sin(x) = x + x**3 * P(x**2)."""
    cos: tuple[float, ...]
    """cos(x) = 1 - x**2 / 2 + x**4 * P(x**2)."""


NUMBERS = {
    F32: Numbers(
        sin=F32.numbers(
            -0.16666652,
            0.008332007,
            -0.00019494625,
        ),
        cos=F32.numbers(
            0.04166664,
            -0.0013887107,
            2.4409537e-05,
        ),
    ),
    F64: Numbers(
        sin=(
            -0.16666666666666616,
            0.008333333333318059,
            -0.00019841269826317845,
            2.755731248269981e-06,
            -2.5050569381235526e-08,
            1.5885907456700437e-10,
        ),
        cos=(
            0.04166666666666656,
            -0.0013888888888867253,
            2.4801587285244546e-05,
            -2.755731314361017e-07,
            2.087556109839262e-09,
            -1.1351361832180115e-11,
        ),
    ),
}

HALF_PI = (math.pi / 2, 6.123233995736766e-17)
"""pi/2 in two parts."""

TINY = 2.0**-27
"""Below, sin(x) and tan(x) of f64 round to x, and the terms of the reduction underflow."""


def sin(m: Math, form: Format, x: Scalar) -> Scalar:
    """The sine of x in radians."""
    quarters, sine, cosine = _quarters(m, form, x)
    value = _turned(m, form, quarters, sine, cosine)
    return _near_zero(m, form, x, with_sign(m, form, value, sign_of(m, form, x)))


def cos(m: Math, form: Format, x: Scalar) -> Scalar:
    """The sine a quarter of a turn further."""
    quarters, sine, cosine = _quarters(m, form, x)
    return _turned(m, form, quarters + 1, sine, cosine)


def tan(m: Math, form: Format, x: Scalar) -> Scalar:
    """sine / cosine, or minus its inverse in the odd quarters."""
    quarters, sine, cosine = _quarters(m, form, x)
    is_odd = m.ne(quarters & 1, 0)
    ratio = m.where(is_odd, cosine, sine) / m.where(is_odd, sine, cosine)
    sign = shift_left(m, quarters, form.top) ^ sign_of(m, form, x)
    return _near_zero(m, form, x, with_sign(m, form, ratio, sign & form.sign))


def _quarters(m: Math, form: Format, x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """|x| = quarters * pi/2 + r: (quarters modulo 4 as an integer, sin(r), cos(r))."""
    high, low = quarter_turns(m, form, x)
    nearest = high + F64.magic
    r = m.cast(_angle(m, form, high - (nearest - F64.magic), low), form.dtype)
    z = r * r
    sine = m.fma(r * z, polynomial(m, z, NUMBERS[form].sin), r)
    cosine = polynomial(m, z, (1.0, -0.5, *NUMBERS[form].cos))
    return m.cast(m.bitcast(nearest, F64.bits), form.bits), sine, cosine


def _angle(m: Math, form: Format, high: Scalar, low: Scalar) -> Scalar:
    """(high + low) * pi/2, in f64; rounded once if that is the format."""
    if form is F32:
        return (high + low) * HALF_PI[0]
    turns, rest = fast_two_sum(high, low)
    return m.fma(turns, HALF_PI[0], m.fma(turns, HALF_PI[1], rest * HALF_PI[0]))


def _turned(m: Math, form: Format, quarters: Scalar, sine: Scalar, cosine: Scalar) -> Scalar:
    """sin(quarters * pi/2 + r)."""
    value = m.where(m.ne(quarters & 1, 0), cosine, sine)
    return with_sign(m, form, value, shift_left(m, quarters & 2, form.top - 1))


def _near_zero(m: Math, form: Format, x: Scalar, value: Scalar) -> Scalar:
    """`value`, or x itself where an f64 is so small that it is the answer."""
    return value if form is F32 else m.where(m.abs(x) < TINY, x, value)
