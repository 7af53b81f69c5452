"""Derive the polynomial coefficients of `ncc/backends/cpu/vecmath`.

    python bench/minimax.py [NAME ...]

Prints, for every fit and format, the coefficients (constant term first) and the largest weighted
error of the polynomial before its coefficients are rounded. Needs mpmath; nothing of ncc does.

The method is Remez' exchange (Cheney, Introduction to Approximation Theory, chapter 3) on a grid
of Chebyshev points: the weight turns the error of the polynomial into the error of the function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath
import numpy as np
from mpmath import mp, mpf

Function = Callable[[mpf], mpf]

mp.prec = 160
GRID = 1200
ROUNDS = 30
LN2 = mpmath.log(2)
EIGHTH = mp.pi / 4 * (1 + mpf(1) / 32)
"""An eighth of a turn, and what the reduction of angles may leave beyond it."""
NEAR_TANH = mpf(9) / 16


@dataclass(frozen=True)
class Fit:
    """A polynomial near `target` on `interval`, its error counted times `weight`."""

    target: Function
    weight: Function
    interval: tuple[mpf, mpf]
    degrees: dict[str, int]
    """Of the polynomial in each format."""


def relative(function: Function, base: Function, interval: tuple[mpf, mpf], **degrees: int) -> Fit:
    """function(x) = base(x) + scale(x) * polynomial(x), relative to `function`, scale x**2."""
    return Fit(
        lambda x: (function(x) - base(x)) / x**2,
        lambda x: abs(x**2 / function(x)),
        interval,
        degrees,
    )


def odd(function: Function, end: float, **degrees: int) -> Fit:
    """function(x) = x + x * z * polynomial(z) with z = x**2 <= end, relative to `function`."""

    def target(z: mpf) -> mpf:
        x = mpmath.sqrt(z)
        return (function(x) / x - 1) / z

    def weight(z: mpf) -> mpf:
        x = mpmath.sqrt(z)
        return abs(x * z / function(x))

    return Fit(target, weight, (mpf(0), mpf(end)), degrees)


def erf_slope(u: mpf) -> mpf:
    """erf(x) / x - 1 with u = x**2."""
    x = mpmath.sqrt(u)
    return mpmath.erf(x) / x - 1


def erfc_root(x: mpf) -> mpf:
    """The fourth root of erfc(x)."""
    return mpmath.erfc(x) ** (mpf(1) / 4)


def normal_root(x: mpf) -> mpf:
    """The eighth root of the upper tail of the normal distribution."""
    return (mpmath.erfc(x / mpmath.sqrt(2)) / 2) ** (mpf(1) / 8)


NORMAL_ROOT = mpf(1) / 2 ** (mpf(1) / 8)


def atanh_tail(z: mpf) -> mpf:
    """atanh(s) = s + s*z/3 + s*z**2*tail with z = s**2."""
    s = mpmath.sqrt(z)
    return (mpmath.atanh(s) / s - 1 - z / 3) / z**2


FITS: dict[str, Fit] = {
    # exp(x) = 1 + x + x**2 * P(x)
    "exp": relative(mpmath.exp, lambda x: 1 + x, (-LN2, LN2), f32=5, f64=11),
    # expm1(x) = x + x**2 * P(x)
    "expm1": relative(mpmath.expm1, lambda x: x, (-LN2 / 2, LN2 / 2), f32=4, f64=10),
    # exp again, for tanh
    "exp of tanh": relative(mpmath.exp, lambda x: 1 + x, (-LN2 / 2, LN2 / 2), f32=4, f64=9),
    # log1p(x) = x + x**2 * P(x)
    "log": relative(mpmath.log1p, lambda x: x, (-mpf(1) / 3, mpf(1) / 3), f32=8, f64=19),
    "sinh": odd(mpmath.sinh, 1, f32=3, f64=6),
    "tanh": odd(mpmath.tanh, NEAR_TANH**2, f32=4, f64=9),
    "sin": odd(mpmath.sin, EIGHTH**2, f32=2, f64=5),
    # cos(x) = 1 - x**2 / 2 + x**4 * P(x**2)
    "cos": Fit(
        lambda z: (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / mpmath.cos(mpmath.sqrt(z)),
        (mpf(0), EIGHTH**2),
        {"f32": 2, "f64": 5},
    ),
    "asin": odd(mpmath.asin, mpf(1) / 4, f32=4, f64=12),
    "atan": odd(mpmath.atan, 1, f32=8, f64=20),
    # erf(x) = x + x * P(x**2) on [0, 1]
    "erf near": Fit(
        erf_slope, lambda u: 1 / (1 + erf_slope(u)), (mpf(0), mpf(1)), {"f32": 6, "f64": 12}
    ),
    # erf(x) = 1 - P(x)**4 beyond
    "erf far": Fit(erfc_root, lambda x: 4 * erfc_root(x) ** 3, (mpf(1), mpf(4)), {"f32": 8}),
    "erf far wide": Fit(erfc_root, lambda x: 4 * erfc_root(x) ** 3, (mpf(1), mpf(6)), {"f64": 22}),
    # the upper tail of the normal distribution is (2**(-1/8) + x * P(x))**8; 1/16 counts as small
    "gelu": Fit(
        lambda x: (normal_root(x) - NORMAL_ROOT) / x,
        lambda x: 8 * x * normal_root(x) ** 7 / max(normal_root(x) ** 8, mpf(1) / 16),
        (mpf(0), mpf(6)),
        {"f32": 7},
    ),
    # log2(1 + x) = x * P(x) and 2**x = P(x), for pow of f32
    "log2": Fit(
        lambda x: mpmath.log(1 + x, 2) / x,
        lambda x: abs(x / mpmath.log(1 + x, 2)),
        (-mpf(1) / 3, mpf(1) / 3),
        {"f64": 12},
    ),
    "exp2": Fit(lambda x: 2**x, lambda x: 2**-x, (-mpf(1) / 2, mpf(1) / 2), {"f64": 6}),
    # atanh(s) = s + s*z/3 + s * z**2 * P(z), for pow of f64
    "atanh": Fit(atanh_tail, lambda z: z**2, (mpf(0), mpf(1) / 25), {"f64": 7}),
}


def chebyshev(interval: tuple[mpf, mpf], count: int) -> list[mpf]:
    """Points dense at the ends of the interval, none of them 0."""
    low, high = interval
    middle, half = (low + high) / 2, (high - low) / 2
    points = [middle - half * mpmath.cos(mp.pi * i / (count - 1)) for i in range(count)]
    return [point + half / 10**6 if abs(point) < half / 10**9 else point for point in points]


def horner(coefficients: Sequence[mpf], x: mpf) -> mpf:
    total = mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def level(fit: Fit, nodes: list[mpf], degree: int) -> list[mpf]:
    """The polynomial whose weighted error alternates in sign, of one size, over the nodes."""
    size = degree + 2
    system, right = mpmath.matrix(size, size), mpmath.matrix(size, 1)
    for row, x in enumerate(nodes):
        for power in range(degree + 1):
            system[row, power] = x**power
        system[row, degree + 1] = (-1) ** row / fit.weight(x)
        right[row] = fit.target(x)
    return list(mpmath.lu_solve(system, right))[: degree + 1]


def peaks(errors: list[mpf]) -> list[int]:
    """Where each run of errors of one sign is largest."""
    found: list[int] = []
    for i, error in enumerate(errors):
        if found and error * errors[found[-1]] > 0:
            if abs(error) > abs(errors[found[-1]]):
                found[-1] = i
        else:
            found.append(i)
    return found


def remez(fit: Fit, degree: int) -> tuple[list[mpf], mpf]:
    """The best polynomial of `degree`, and its largest weighted error on the grid."""
    grid = chebyshev(fit.interval, GRID)
    truth = [(x, fit.target(x), fit.weight(x)) for x in grid]
    nodes = chebyshev(fit.interval, degree + 2)
    best: tuple[list[mpf], mpf] | None = None
    for _ in range(ROUNDS):
        polynomial = level(fit, nodes, degree)
        errors = [(horner(polynomial, x) - target) * weight for x, target, weight in truth]
        worst = max(map(abs, errors))
        if best is None or worst < best[1]:
            best = polynomial, worst
        picked = peaks(errors)
        while len(picked) > degree + 2:
            picked.pop(0 if abs(errors[picked[0]]) < abs(errors[picked[-1]]) else -1)
        if len(picked) < degree + 2:
            break
        nodes = [grid[i] for i in picked]
    assert best is not None
    return best


def show(name: str, fit: Fit) -> None:
    for format_name, degree in fit.degrees.items():
        polynomial, error = remez(fit, degree)
        rounded = [np.float32(float(c)) if format_name == "f32" else float(c) for c in polynomial]
        print(f"{name} {format_name}: error 2^{float(mpmath.log(error, 2)):.1f}")
        print("".join(f"    {value!s},\n" for value in rounded), end="")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or FITS:
        show(chosen, FITS[chosen])
