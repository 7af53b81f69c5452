"""pow, of floats and of integers."""

from __future__ import annotations

import math

from ncc.backends.cpu.vecmath import exponential
from ncc.backends.cpu.vecmath.exponential import scaled_exp
from ncc.backends.cpu.vecmath.format import (
    F32,
    F64,
    Format,
    at_least,
    at_most,
    fast_two_sum,
    odd,
    polynomial,
    power_of_two,
    shift_right,
    two_product,
)
from ncc.backends.cpu.vecmath.logarithm import offset, reduced, split
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType

LOG2 = (
    1.4426950408923316,
    -0.7213475195692938,
    0.48089834396158515,
    -0.3606739786173959,
    0.28853944173257084,
    -0.24043366031115118,
    0.2060759734887472,
    -0.18080606595797552,
    0.160891228579973,
    -0.13746108275587882,
    0.12356279815236536,
    -0.16610534615989928,
    0.15754183293846144,
)
"""log2(1 + f) = f * P(f) on [-1/3, 1/3], enough for f32; these three from bench/minimax.py."""

EXP2 = (
    1.0000000005541627,
    0.6931472057371852,
    0.2402264689065851,
    0.05550328777106818,
    0.009618488954041042,
    0.0013399931179695925,
    0.00015345812891617074,
)
"""2**r = P(r) on [-1/2, 1/2], enough for f32."""

ATANH = (
    0.19999999999999862,
    0.14285714285788592,
    0.1111111109563686,
    0.09090910761810675,
    0.07692203384535488,
    0.0667057062360585,
    0.05796201853779995,
    0.0628558688835038,
)
"""atanh(s) = s + s**3 / 3 + s**5 * P(s**2) on [-1/5, 1/5]."""

THIRD = (1 / 3, 2.0**-54 / 3)
"""1/3 in two parts."""


def pow(m: Math, form: Format, x: Scalar, y: Scalar) -> Scalar:
    """x**y with the special cases of IEEE 754: 1 for y = 0 or x = 1, even where the other is NaN.

    Negative x take integer y only; the sign of zeros and infinities is that of odd y.
    """
    a = m.abs(x)
    magnitude = narrow_power(m, a, y) if form is F32 else wide_power(m, a, y)
    whole = m.eq(m.round(y), y)
    is_odd = whole & m.ne(m.round(y * 0.5) * 2.0, y)
    value = m.where(is_odd, odd(m, form, magnitude, x), magnitude)
    undefined = (x < 0.0) & (x > -math.inf) & ~whole
    return m.where(m.eq(y, 0.0) | m.eq(x, 1.0), 1.0, m.where(undefined, math.nan, value))


def _logarithm_ends(m: Math, x: Scalar, log: Scalar) -> Scalar:
    """`log`, and what it must be for x = 0, infinity and NaN."""
    return m.where(m.eq(x, 0.0), -math.inf, m.where(x < math.inf, log, x))


def narrow_power(m: Math, a: Scalar, y: Scalar) -> Scalar:
    """a**y of f32 for a >= 0, as 2**(y * log2(a)) in f64, where nothing is subnormal."""
    x = m.cast(a, F64.dtype)
    e, v = split(m, F64, x)
    f = v - 1.0
    k = offset(m, F64, e) - (2.0**F64.fraction + F64.bias)
    log = _logarithm_ends(m, x, m.fma(f, polynomial(m, f, LOG2), k))
    exponent = _within(m, _within(m, m.cast(y, F64.dtype), 1e30) * log, 200.0)
    biased = exponent + (F64.magic + F64.bias)
    r = exponent - (biased - (F64.magic + F64.bias))
    return m.cast(polynomial(m, r, EXP2) * power_of_two(m, F64, biased), F32.dtype)


def _within(m: Math, x: Scalar, bound: float) -> Scalar:
    """x, brought into [-bound, bound]."""
    return at_most(m, at_least(m, x, -bound), bound)


def wide_power(m: Math, a: Scalar, y: Scalar) -> Scalar:
    """a**y of f64 for a >= 0, as exp(y * log(a)) with the logarithm in two parts."""
    high, low = wide_log(m, a)
    y = _within(m, y, 1e20)
    exponent, error = two_product(m, _logarithm_ends(m, a, high), y)
    inside = m.abs(exponent) < -exponential.NUMBERS[F64].low
    p, s = scaled_exp(m, F64, exponent, m.where(inside, m.fma(low, y, error), m.const(0.0, y)))
    return p * s * s


def wide_log(m: Math, a: Scalar) -> tuple[Scalar, Scalar]:
    """log(a) of f64 for finite a > 0 as a sum of two, about 2**-63 near the truth.

    log(1 + f) = 2 atanh(f / (2 + f)), the first two terms of whose series are kept in two parts.
    """
    c = exponential.NUMBERS[F64]
    minus_k, f = reduced(m, F64, a)
    high, low = _wide_atanh(m, f)
    total, error = fast_two_sum(minus_k * -c.ln2_high, high + high)
    return total, m.fma(minus_k, -c.ln2_low, error + (low + low))


def _wide_atanh(m: Math, f: Scalar) -> tuple[Scalar, Scalar]:
    """atanh(s) for s = f / (2 + f), as a sum of two."""
    below, below_low = f + 2.0, f - ((f + 2.0) - 2.0)
    inverse = 1.0 / below
    s = f * inverse
    s_low = (m.fma(-s, below, f) - s * below_low) * inverse
    z, error = two_product(m, s, s)
    z_low = m.fma(s + s, s_low, error)
    third, error = fast_two_sum(m.const(THIRD[0], f), z * polynomial(m, z, ATANH))
    third_low = error + THIRD[1]
    v, error = two_product(m, z, third)
    v_low = error + m.fma(z, third_low, z_low * third)
    g, error = two_product(m, s, v)
    g_low = error + m.fma(s, v_low, s_low * v)
    total, error = fast_two_sum(s, g)
    return total, error + (g_low + s_low)


def integer_pow(m: Math, dtype: DType, x: Scalar, n: Scalar) -> Scalar:
    """x**n modulo the range of `dtype`, by squaring; 0, 1 or -1 for negative n.

    That is the quotient 1 / x**-n truncated toward 0, and 0 for x = 0 as for any division by 0.
    """
    result, base = m.const(1, x), x
    for bit in range(8 * dtype.itemsize - dtype.is_signed_int):
        result = m.where(m.ne(shift_right(m, n, bit) & 1, 0), result * base, result)
        base = base * base
    if not dtype.is_signed_int:
        return result
    sign = m.const(1, n) - (n & 1) * 2
    inverse = m.where(m.eq(x, 1), 1, m.where(m.eq(x, -1), sign, m.const(0, x)))
    return m.where(n < 0, inverse, result)
