"""exp for the terms of a softmax and for activations: no overflow, and nothing subnormal.

Where most of the time of these goes. One power of two scales every result that is a normal
number, the others are 0: a core takes a hundred times as long for a product that underflows.
"""

from __future__ import annotations

from ncc.backends.cpu.vecmath.exponential import NUMBERS
from ncc.backends.cpu.vecmath.format import F32, F64, Format, polynomial, power_of_two
from ncc.ir.scalar import Math, Scalar

LN2 = {F32: (NUMBERS[F32].ln2,), F64: (NUMBERS[F64].ln2_high, NUMBERS[F64].ln2_low)}
"""ln 2 in as many parts as its product with the least exponent needs to be close."""
LEAST = {F32: F32.number(-87.33654475), F64: -708.3964185322641}
"""The logarithm of the least normal number."""


def decay(m: Math, form: Format, x: Scalar) -> Scalar:
    """e**x for x <= 64, and 0 where that is less than the least normal number; x is not above."""
    c = NUMBERS[form]
    biased = m.fma(x, c.log2e, form.magic + form.bias)
    k = biased - (form.magic + form.bias)
    r = x
    for part in LN2[form]:
        r = m.fma(k, -part, r)
    p = polynomial(m, r, (1.0, 1.0, *c.tanh_exp))
    return m.where(x < LEAST[form], 0.0, p * power_of_two(m, form, biased))
