"""exp, expm1 and the hyperbolic functions.

x = k * step + r with step a multiple of ln 2 (Cody and Waite 1980): adding `magic` rounds x / step
to the integer k and leaves it in the low bits, from where a shift makes it the exponent of a power
of two. ln 2 is held in two parts; the product of the first with any k is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.vecmath.format import (
    F32,
    F64,
    Format,
    at_least,
    at_most,
    odd,
    polynomial,
    power_of_two,
)
from ncc.ir.scalar import Math, Scalar


@dataclass(frozen=True, slots=True)
class Numbers:
    """Constants of this family in one format. Coefficients are from bench/minimax.py."""

    low: float
    """exp rounds to 0 here."""
    high: float
    """exp overflows here, and exp / 2 one further."""
    flat: float
    """tanh rounds to 1 here, and expm1(-2 * flat) to -1."""
    exact: float
    """expm1(x) rounds to x for |x| below, and x / 2 is exact from here up."""
    log2e: float
    ln2: float
    ln2_high: float
    """ln 2 with so few bits that its product with any k is exact."""
    ln2_low: float
    exp: tuple[float, ...]
    """exp(r) = 1 + r + r**2 * P(r) on [-ln 2, ln 2]."""
    expm1: tuple[float, ...]
    """expm1(r) = r + r**2 * P(r) on [-ln 2 / 2, ln 2 / 2]."""
    tanh_exp: tuple[float, ...]
    """exp(r) = 1 + r + r**2 * P(r) on [-ln 2 / 2, ln 2 / 2]."""
    tanh: tuple[float, ...]
    """tanh(x) = x + x**3 * P(x**2) on [-9/16, 9/16]."""
    sinh: tuple[float, ...]
    """sinh(x) = x + x**3 * P(x**2) on [-1, 1]."""


LN2 = 0.6931471805599453
LOG2E = 1.4426950408889634
NUMBERS = {
    F32: Numbers(
        low=-104.0,
        high=89.0,
        flat=10.0,
        exact=2.0**-26,
        log2e=F32.number(LOG2E),
        ln2=F32.number(LN2),
        ln2_high=0.693145751953125,
        ln2_low=F32.number(1.4286068203094173e-06),
        exp=F32.numbers(
            0.50000036,
            0.16666615,
            0.041661277,
            0.008336098,
            0.0014104263,
            0.00019611855,
        ),
        expm1=F32.numbers(
            0.49999997,
            0.16666543,
            0.0416672,
            0.008366514,
            0.0013882525,
        ),
        tanh_exp=F32.numbers(
            0.49999994,
            0.16666521,
            0.04166839,
            0.00836871,
            0.0013814612,
        ),
        tanh=F32.numbers(
            -0.33333313,
            0.13332452,
            -0.05383743,
            0.021007463,
            -0.0061798147,
        ),
        sinh=F32.numbers(
            0.16666667,
            0.00833335,
            0.0001983616,
            2.8169513e-06,
        ),
    ),
    F64: Numbers(
        low=-746.0,
        high=710.0,
        flat=20.0,
        exact=2.0**-55,
        log2e=LOG2E,
        ln2=LN2,
        ln2_high=0.6931471805598903,
        ln2_low=5.497923018708371e-14,
        exp=(
            0.4999999999999993,
            0.16666666666666935,
            0.04166666666670202,
            0.00833333333327005,
            0.001388888888358481,
            0.00019841269892690466,
            2.480159082622318e-05,
            2.7557300675193443e-06,
            2.755615884093702e-07,
            2.5055030810409805e-08,
            2.106226850146925e-09,
            1.593564594951367e-10,
        ),
        expm1=(
            0.5,
            0.16666666666666677,
            0.04166666666666651,
            0.0083333333333217,
            0.0013888888888962312,
            0.00019841269885939353,
            2.4801587172622226e-05,
            2.7557244403824657e-06,
            2.7557402601207056e-07,
            2.5108967624919242e-08,
            2.0875333476389473e-09,
        ),
        tanh_exp=(
            0.5000000000000011,
            0.16666666666666413,
            0.041666666666530267,
            0.008333333333494331,
            0.0013888888943598258,
            0.00019841269506785012,
            2.480149313562498e-05,
            2.7557586261704624e-06,
            2.763023411518955e-07,
            2.50000737471787e-08,
        ),
        tanh=(
            -0.33333333333331777,
            0.13333333333093528,
            -0.05396825383985337,
            0.021869485123669822,
            -0.00886318324515395,
            0.0035916301207484344,
            -0.0014527793321153868,
            0.0005778541784550523,
            -0.00020822964436720647,
            4.960376433845418e-05,
        ),
        sinh=(
            0.16666666666666669,
            0.008333333333333148,
            0.00019841269841431873,
            2.7557319157071806e-06,
            2.5052123136735372e-08,
            1.605725976770862e-10,
            7.758748833046086e-13,
        ),
    ),
}


def scaled_exp(
    m: Math, form: Format, x: Scalar, low: Scalar | None = None
) -> tuple[Scalar, Scalar]:
    """(p, s) with p * s * s = exp(x + low), s a power of two and p near 1; |low| < ulp(x).

    Two factors, because a power of two that reaches the subnormals and overflow fits none.
    """
    c = NUMBERS[form]
    x = at_most(m, at_least(m, x, c.low), c.high + 1.0)
    biased = m.fma(x, c.log2e / 2, form.magic + form.bias)
    k = biased - (form.magic + form.bias)
    r = m.fma(k, -2 * c.ln2_low, m.fma(k, -2 * c.ln2_high, x))
    p = polynomial(m, r, (1.0, 1.0, *c.exp))
    return (p if low is None else m.fma(p, low, p)), power_of_two(m, form, biased)


def exp(m: Math, form: Format, x: Scalar) -> Scalar:
    """e**x. Nothing is scaled that would only vanish, as masked scores do: a core takes ten times
    as long for a product that underflows.
    """
    p, s = scaled_exp(m, form, x)
    return m.where(x < NUMBERS[form].low, 0.0, p) * s * s


def expm1(m: Math, form: Format, x: Scalar) -> Scalar:
    """e**x - 1 = 2 * (2**(k-1) * expm1(r) + (2**(k-1) - 1/2)): 2**k itself could overflow."""
    c = NUMBERS[form]
    clamped = at_most(m, at_least(m, x, -2 * c.flat), c.high)
    biased = m.fma(clamped, c.log2e, form.magic + (form.bias - 1))
    k = biased - (form.magic + (form.bias - 1))
    r = m.fma(k, -c.ln2_low, m.fma(k, -c.ln2_high, clamped))
    near = m.fma(r * r, polynomial(m, r, c.expm1), r)
    s = power_of_two(m, form, biased)
    half = m.fma(s, near, s - 0.5)
    return m.where(m.abs(x) < c.exact, x, half + half)


def tanh(m: Math, form: Format, x: Scalar) -> Scalar:
    """A polynomial near 0, 1 - 2 / (exp(2|x|) + 1) where that does not cancel."""
    c = NUMBERS[form]
    a = at_most(m, m.abs(x), c.flat)
    z = a * a
    near = m.fma(a * z, polynomial(m, z, c.tanh), a)
    biased = m.fma(a, 2 * c.log2e, form.magic + form.bias)
    k = biased - (form.magic + form.bias)
    r = m.fma(k, -c.ln2, a + a)
    p = polynomial(m, r, (1.0, 1.0, *c.tanh_exp))
    above = m.fma(p, power_of_two(m, form, biased), 1.0)
    return odd(m, form, m.where(a < 0.5625, near, 1.0 - 2.0 / above), x)


def half_exp(m: Math, form: Format, x: Scalar) -> Scalar:
    """e**x / 2, finite wherever sinh and cosh are."""
    p, s = scaled_exp(m, form, x)
    return p * s * (s * 0.5)


def sinh(m: Math, form: Format, x: Scalar) -> Scalar:
    """A polynomial below 1, (e**|x| - e**-|x|) / 2 above."""
    a = m.abs(x)
    z = a * a
    near = m.fma(a * z, polynomial(m, z, NUMBERS[form].sinh), a)
    half = half_exp(m, form, a)
    return odd(m, form, m.where(a < 1.0, near, half - 0.25 / half), x)


def cosh(m: Math, form: Format, x: Scalar) -> Scalar:
    """(e**|x| + e**-|x|) / 2."""
    half = half_exp(m, form, m.abs(x))
    return half + 0.25 / half
