"""erf: the error function."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.vecmath.format import F32, F64, Format, at_most, odd, polynomial
from ncc.ir.scalar import Math, Scalar


@dataclass(frozen=True, slots=True)
class Numbers:
    """Constants in one format. Coefficients are from bench/minimax.py."""

    flat: float
    """erf rounds to 1 here."""
    near: tuple[float, ...]
    """erf(x) = x + x * P(x**2) on [0, 1]."""
    far: tuple[float, ...]
    """erf(x) = 1 - P(x)**4 on [1, flat]."""


NUMBERS = {
    F32: Numbers(
        flat=4.0,
        near=F32.numbers(
            0.12837917,
            -0.37612626,
            0.112835854,
            -0.026853811,
            0.0051883277,
            -0.0008010193,
            7.853859e-05,
        ),
        far=F32.numbers(
            1.0021893,
            -0.29364452,
            -0.09318726,
            -0.017676776,
            0.043960124,
            -0.012819904,
            0.0007958101,
            0.0001748049,
            -2.2057293e-05,
        ),
    ),
    F64: Numbers(
        flat=6.0,
        near=(
            0.1283791670955126,
            -0.3761263890318375,
            0.11283791670954857,
            -0.026866170645072896,
            0.005223977624780863,
            -0.0008548326978742028,
            0.00012055331036893639,
            -1.4925593506751056e-05,
            1.646097281482845e-06,
            -1.6350025199752e-07,
            1.4657879691844578e-08,
            -1.1365665399733092e-09,
            5.945260838192682e-11,
        ),
        far=(
            1.00000002601416,
            -0.28209510119731007,
            -0.11936446724811588,
            0.015456076710633622,
            0.018641810710203852,
            -0.0012508003623104833,
            -0.001904212201530939,
            0.00016778735253459526,
            0.00016792567689300926,
            -6.512198462887652e-05,
            2.3101105592674054e-05,
            -1.0549867456686787e-05,
            3.978838584708333e-06,
            -1.1950720797056653e-06,
            3.188568263927896e-07,
            -7.669629537396021e-08,
            1.5420816273359906e-08,
            -2.411372498870793e-09,
            2.8031278209753695e-10,
            -2.3316469995398754e-11,
            1.3132627573787548e-12,
            -4.498353275308618e-14,
            7.094617573562263e-16,
        ),
    ),
}


def erf(m: Math, form: Format, x: Scalar) -> Scalar:
    """Two polynomials; far from 0 the fourth root of erfc is smooth enough for one, without exp."""
    c = NUMBERS[form]
    a = at_most(m, m.abs(x), c.flat)
    near = m.fma(a, polynomial(m, a * a, c.near), a)
    root = polynomial(m, a, c.far)
    square = root * root
    return odd(m, form, m.where(a < 1.0, near, m.fma(-square, square, 1.0)), x)
