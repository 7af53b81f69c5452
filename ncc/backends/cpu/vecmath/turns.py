"""Reduction of an angle of any size: |x| / (pi/2) as terms, less a multiple of 4.

Payne and Hanek 1983: digits of 2/pi so high that their product with x is a multiple of 4 need no
arithmetic, and digits so low that they cannot be felt need none either. Which digits remain
follows from the size of x, so they are picked by comparing x with powers of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

from ncc.backends.cpu.vecmath.format import F32, F64, Format, two_product, two_sum
from ncc.ir.scalar import Math, Scalar

TWO_OVER_PI = (
    0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2,
    0xE006492EEA09D1921CFE1DEB1CB129A73EE88235F52EBB4484E99C7026B45F7E413991D6398353,
    0x39F49C845F8BBDF9283B1FF897FFDE05980FEF2F118B5A0A6D1F6D367ECF27CB09B74F463F669E,
    0x5FEA2D7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B6BABF0CFBC20,
)
"""2/pi, 312 binary digits in each part."""

DIGITS = reduce(lambda high, low: high << 312 | low, TWO_OVER_PI)
LENGTH = 1248


def digits(start: int, count: int) -> float:
    """0.d with the binary digits d = start .. start+count-1 of 2/pi; exact for count <= 53."""
    part = DIGITS >> (LENGTH - start - count) & ((1 << count) - 1)
    return part * 2.0**-count


def quarter_turns(m: Math, form: Format, x: Scalar) -> tuple[Scalar, Scalar]:
    """(high, low) in f64: their sum is |x| / (pi/2) less a multiple of 4; NaN for infinite x."""
    return narrow_turns(m, x) if form is F32 else wide_turns(m, x)


FAR = {44: 19, 66: 41, 88: 63, 110: 85}
"""From 2**key on, an f32 is a multiple of 2**(key-23), and the digits before this one drop out."""


def narrow_turns(m: Math, x: Scalar) -> tuple[Scalar, Scalar]:
    """For x of f32: high below 2**47, low below 2**-5, the sum 2**-58 near the truth."""
    a = m.cast(m.abs(x), F64.dtype)
    first, second = m.const(digits(0, 53), a), m.const(digits(53, 53) * 2.0**-53, a)
    for exponent, start in FAR.items():
        far = a >= 2.0**exponent
        first = m.where(far, digits(start, 53) * 2.0**-start, first)
        second = m.where(far, digits(start + 53, 53) * 2.0 ** -(start + 53), second)
    high, error = two_product(m, a, first)
    return high, m.fma(a, second, error)


WORD = 52
WORDS = 23
WINDOW = 5


def wide_turns(m: Math, x: Scalar) -> tuple[Scalar, Scalar]:
    """For x of f64 above 2**-100: high below 16, low below its last place.

    From 2**(54 + 52*w) on, x is a multiple of 2**(52*w + 2), so w words of 52 digits drop out.
    That leaves x below 2**106, and a window of five words, each product kept exact: however much
    the products cancel, their sum has the precision of f64.
    """
    a = m.abs(x)
    words = [m.const(digits(i * WORD, WORD), a) for i in range(WORDS)]
    for skip in (16, 8, 4, 2, 1):
        far = a >= 2.0 ** (54 + WORD * skip)
        a = m.where(far, a * 2.0 ** (-WORD * skip), a)
        pairs = zip(words, words[skip:], strict=False)
        moved = [m.where(far, later, word) for word, later in pairs]
        words = moved + words[len(moved) :]
    products: list[Scalar] = []
    for i, word in enumerate(words[:WINDOW]):
        products += two_product(m, a * 2.0 ** (-WORD * i), word)
    small = [m.fma(m.round(product * 0.25), -4.0, product) for product in products[:3]]
    *errors, high = distilled(distilled(small + products[3:-1]))
    return high, reduce(add, errors)


def distilled(terms: Sequence[Scalar]) -> list[Scalar]:
    """Terms of the same sum: the errors made in adding them up, and the rounded sum last.

    Twice over it is SumK with K = 3 (Ogita, Rump and Oishi, Accurate Sum and Dot Product, 2005).
    """
    high, *rest = terms
    errors = []
    for term in rest:
        high, error = two_sum(high, term)
        errors.append(error)
    return [*errors, high]
