"""asin, acos and atan."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ncc.backends.cpu.vecmath.format import F32, F64, Format, odd, polynomial, sign_of, with_sign
from ncc.ir.scalar import Math, Scalar


@dataclass(frozen=True, slots=True)
class Numbers:
    """Constants of this family in one format. Coefficients are from bench/minimax.py."""

    pi: float
    asin: tuple[float, ...]
    """asin(x) = x + x**3 * P(x**2) on [-1/2, 1/2]."""
    atan: tuple[float, ...]
    """atan(x) = x + x**3 * P(x**2) on [-1, 1]."""


NUMBERS = {
    F32: Numbers(
        pi=F32.number(math.pi),
        asin=F32.numbers(
            0.16666752,
            0.074952975,
            0.04547037,
            0.024179528,
            0.042166285,
        ),
        atan=F32.numbers(
            -0.333333,
            0.19998549,
            -0.14264242,
            0.10952186,
            -0.0840345,
            0.057957593,
            -0.031177847,
            0.010914607,
            -0.001793622,
        ),
    ),
    F64: Numbers(
        pi=math.pi,
        asin=(
            0.1666666666666676,
            0.07499999999970798,
            0.04464285717461339,
            0.03038194270772752,
            0.022372214988844733,
            0.017351611997788376,
            0.013980820683565005,
            0.011398911434187217,
            0.010780256007252473,
            0.0037063995197784915,
            0.021707464859852976,
            -0.02099908329212555,
            0.03262863494595831,
        ),
        atan=(
            -0.33333333333333287,
            0.19999999999990445,
            -0.1428571428503652,
            0.11111111086444042,
            -0.09090908547194532,
            0.07692299711026651,
            -0.06666583716239942,
            0.05881716111928723,
            -0.052594335854155516,
            0.04744925364177688,
            -0.04286388749540129,
            0.038210014817493476,
            -0.0327853410285531,
            0.026151544206178254,
            -0.018614066159562643,
            0.011317540008861694,
            -0.005612317885821121,
            0.0021515560839867253,
            -0.0005928830890919699,
            0.00010386989932783345,
            -8.654023446756886e-06,
        ),
    ),
}


def _folded(m: Math, form: Format, a: Scalar, near: Scalar) -> Scalar:
    """asin(a) for a = |x| where `near` (a < 1/2), asin(sqrt((1 - a) / 2)) elsewhere."""
    z = m.where(near, a * a, m.fma(a, -0.5, 0.5))
    s = m.where(near, a, m.sqrt(z))
    return m.fma(s * z, polynomial(m, z, NUMBERS[form].asin), s)


def asin(m: Math, form: Format, x: Scalar) -> Scalar:
    """pi/2 - 2 asin(sqrt((1 - |x|) / 2)) where |x| >= 1/2."""
    a = m.abs(x)
    near = a < 0.5
    folded = _folded(m, form, a, near)
    return odd(m, form, m.where(near, folded, m.fma(folded, -2.0, NUMBERS[form].pi / 2)), x)


def acos(m: Math, form: Format, x: Scalar) -> Scalar:
    """pi/2 - asin(x) near 0, else 2 asin(sqrt((1 - |x|) / 2)), taken from pi where x < 0."""
    pi = NUMBERS[form].pi
    a = m.abs(x)
    near = a < 0.5
    folded = with_sign(m, form, _folded(m, form, a, near), sign_of(m, form, x))
    far = m.fma(folded, 2.0, m.where(x < 0.0, pi, m.const(0.0, x)))
    return m.where(near, pi / 2 - folded, far)


def atan(m: Math, form: Format, x: Scalar) -> Scalar:
    """pi/2 - atan(1 / |x|) where |x| > 1."""
    a = m.abs(x)
    far = a > 1.0
    q = m.where(far, 1.0, a) / m.where(far, a, m.const(1.0, a))
    z = q * q
    near = m.fma(q * z, polynomial(m, z, NUMBERS[form].atan), q)
    return odd(m, form, m.where(far, NUMBERS[form].pi / 2 - near, near), x)
