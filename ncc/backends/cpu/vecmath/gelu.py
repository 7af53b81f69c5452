"""gelu: x times the normal distribution function of x.

It is max(x, 0) - |x| Q(|x|) with Q the upper tail of the normal distribution, of which a root is so
smooth that one polynomial serves for all x: half the work of erf, and nothing cancels.
"""

from __future__ import annotations

import math

from ncc.backends.cpu.vecmath.erf import erf
from ncc.backends.cpu.vecmath.format import F32, Format, at_least, at_most, polynomial
from ncc.ir.scalar import Math, Scalar

FAR = 6.0
"""From here on |x| Q(|x|) is less than 1e-8 and taken for what it is here."""
LARGE = 64.0
"""Q(-x) is 0 in f64 from minus this down."""
SLOPES = F32.numbers(
    -0.091457844,
    -0.03192635,
    -0.00067521393,
    0.001507688,
    3.2359247e-05,
    -5.9618458e-05,
    7.36867e-06,
    -2.8806895e-07,
)
"""Q(a) = (R + a * P(a))**8 on [0, FAR], with R = (1 / 2)**(1 / 8); from bench/minimax.py."""
TWICE_ROOT = F32.number(2 * 0.5 ** (1 / 8))
SQUARED_ROOT = F32.number(0.5 ** (1 / 4))


def gelu(m: Math, form: Format, x: Scalar) -> Scalar:
    """x * Q(-x); f64 computes Q from erf."""
    if form is not F32:
        finite = at_least(m, x, -LARGE)
        return finite * 0.5 * (1.0 + erf(m, form, finite * math.sqrt(0.5)))
    a = at_most(m, m.abs(x), FAR)
    h = a * polynomial(m, a, SLOPES)
    square = m.fma(h, h + TWICE_ROOT, SQUARED_ROOT)
    fourth = square * square
    return m.fma(-a, fourth * fourth, at_least(m, x, 0.0))
