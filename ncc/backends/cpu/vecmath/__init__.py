"""Transcendental functions of f32 and f64 as formulas in primitive functions.

Each function is one straight-line formula over `Math`: numpy runs it in the tests, `expand` makes
an expression of it. docs/math.md states the accuracy and the cost of each.
"""

from __future__ import annotations

from collections.abc import Callable

from ncc.backends.cpu.loopir.loops import Expr, LoopMath
from ncc.backends.cpu.vecmath import (
    circular,
    decay,
    erf,
    exponential,
    gelu,
    inverse,
    logarithm,
    power,
    remainder,
)
from ncc.backends.cpu.vecmath.format import F32, F64
from ncc.ir.scalar import Scalar
from ncc.ir.types import DType

FORMATS = {form.dtype: form for form in (F32, F64)}

FORMULAS: dict[str, Callable[..., Scalar]] = {
    "exp": exponential.exp,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "expm1": exponential.expm1,
    "decay": decay.decay,
    "pow": power.pow,
    "erf": erf.erf,
    "gelu": gelu.gelu,
    "sin": circular.sin,
    "cos": circular.cos,
    "tan": circular.tan,
    "asin": inverse.asin,
    "acos": inverse.acos,
    "atan": inverse.atan,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
    "asinh": logarithm.asinh,
    "acosh": logarithm.acosh,
    "atanh": logarithm.atanh,
    "fmod": remainder.fmod,
}


def formula(fn: str, dtype: DType) -> Callable[..., Scalar] | None:
    """`fn` of `dtype` as a function of (m: Math, *operands); None where it is primitive."""
    if fn == "pow" and dtype.is_int:
        return lambda m, *operands: power.integer_pow(m, dtype, *operands)
    if fn not in FORMULAS or dtype not in FORMATS:
        return None
    return lambda m, *operands: FORMULAS[fn](m, FORMATS[dtype], *operands)


def expand(fn: str, args: tuple[Expr, ...]) -> Expr | None:
    """`fn` of expressions of one type, in primitive functions; None where it is primitive."""
    chosen = formula(fn, args[0].dtype)
    return None if chosen is None else chosen(LoopMath(), *args)
