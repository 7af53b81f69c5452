"""The functions that scalar formulas may use, and their meaning in numpy.

A formula is written once, as python operators and calls of `m.<function>`; the interpreter reads
it with `NUMPY`, a code generator with its own `Math`. Every function here has one row in
`FUNCTIONS`, so a new one is meaning first, code second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ncc.ir.types import DType

Scalar = Any
"""A number as a formula sees it: a numpy array, or an expression of a code generator."""


class Math(Protocol):
    """`m.f(...)` for every row of `FUNCTIONS`, and casts."""

    def cast(self, x: Scalar, to: DType) -> Scalar:
        """x converted to `to`: rounded to nearest even, truncated from float to integer."""

    def const(self, value: float, like: Scalar) -> Scalar:
        """`value` in the type of `like`."""

    def bitcast(self, x: Scalar, to: DType) -> Scalar:
        """The bits of x read as another type of the same width."""

    def __getattr__(self, name: str) -> Callable[..., Scalar]: ...


def _fma(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
    """a * b + c, rounded once for float32 (the product is exact in float64)."""
    if np.asarray(a).dtype == np.float32:
        wide = np.multiply(a, b, dtype=np.float64) + np.asarray(c, np.float64)
        return wide.astype(np.float32)
    return np.add(np.multiply(a, b), c)


def _decay(x: Scalar) -> Scalar:
    x = np.asarray(x)
    least = np.log(np.finfo(x.dtype).smallest_normal)
    return np.where(x < least, x.dtype.type(0), np.exp(x))


def _erf(x: Scalar) -> Scalar:
    flat = np.asarray(x)
    out = np.fromiter((math.erf(v) for v in flat.ravel()), np.float64, flat.size)
    return out.reshape(flat.shape).astype(flat.dtype)


def _gelu(x: Scalar) -> Scalar:
    """x times the normal distribution function of x; at minus infinity its limit."""
    x = np.asarray(x)
    finite = np.maximum(x, np.finfo(x.dtype).min)
    half, one, scale = x.dtype.type(0.5), x.dtype.type(1), x.dtype.type(math.sqrt(0.5))
    return finite * half * (one + _erf(finite * scale))


def _truncate(function: Callable[..., Scalar]) -> Callable[..., Scalar]:
    """Integer division of numpy floors; ours truncates toward zero and defines x / 0 as 0."""

    def div(a: Scalar, b: Scalar) -> Scalar:
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype.kind == "f":
            return function(a, b)
        safe = np.where(b == 0, 1, b).astype(b.dtype)
        quotient = a // safe
        inexact = quotient * safe != a
        return np.where(b == 0, 0, quotient + (inexact & ((a < 0) != (safe < 0)))).astype(a.dtype)

    return div


def _fmod(a: Scalar, b: Scalar) -> Scalar:
    """The remainder with the sign of `a`, as C's fmod."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind == "f":
        return np.fmod(a, b)
    safe = np.where(b == 0, 1, b).astype(b.dtype)
    return np.where(b == 0, 0, np.fmod(a, safe)).astype(a.dtype)


def _nearest(x: Scalar) -> Scalar:
    """The nearest integer, halves to even: an i32, which must hold it."""
    return np.rint(np.asarray(x)).astype(np.int32)


def _shift(function: Callable[..., Scalar]) -> Callable[..., Scalar]:
    """Shifts by the width of the type or more give 0."""

    def shift(a: Scalar, b: Scalar) -> Scalar:
        a, b = np.asarray(a), np.asarray(b)
        wide = b >= 8 * a.dtype.itemsize
        return np.where(wide, 0, function(a, np.where(wide, 0, b).astype(b.dtype))).astype(a.dtype)

    return shift


FUNCTIONS: dict[str, Callable[..., Scalar]] = {
    # arithmetic; `min` and `max` return NaN when either side is NaN
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _truncate(np.divide),
    "fmod": _fmod,
    "neg": np.negative,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "nearest": _nearest,
    "fma": _fma,
    # transcendental
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "decay": _decay,
    "pow": np.power,
    "erf": _erf,
    "gelu": _gelu,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    # comparisons give bool
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "where": np.where,
    # bits; `and`, `or`, `xor`, `not` also take bool
    "bitand": np.bitwise_and,
    "bitor": np.bitwise_or,
    "bitxor": np.bitwise_xor,
    "bitnot": np.invert,
    "shl": _shift(np.left_shift),
    "shr": _shift(np.right_shift),
}


class NumpyMath:
    """The meaning of every function, on numpy arrays."""

    def __getattr__(self, name: str) -> Callable[..., Scalar]:
        return FUNCTIONS[name]

    def cast(self, x: Scalar, to: DType) -> Scalar:
        return cast(np.asarray(x), to)

    def const(self, value: float, like: Scalar) -> Scalar:
        return np.asarray(value, dtype=np.asarray(like).dtype)

    def bitcast(self, x: Scalar, to: DType) -> Scalar:
        return np.asarray(x).view(to.numpy)


def cast(x: np.ndarray[Any, Any], to: DType) -> np.ndarray[Any, Any]:
    """Convert elements: floats round to nearest even, floats to integers truncate.

    Out-of-range and NaN to integer saturate and give 0, as on the device; integers wrap.
    """
    with np.errstate(all="ignore"):
        if to is DType.tf32:
            return _round_tf32(x.astype(np.float32, copy=False))
        if DType.of(x.dtype).is_float and to.is_int:
            return _saturated(x, to)
        if to in {DType.i4, DType.u4}:
            x = x.astype(np.int16)
        return x.astype(to.numpy, copy=False)


def _saturated(x: np.ndarray[Any, Any], to: DType) -> np.ndarray[Any, Any]:
    """Floats as integers of type `to`."""
    low, high = limits(to)
    wide = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0)
    inside = np.clip(wide, float(low), float(high))
    top = wide >= float(high)
    return np.where(top, high, np.where(top, 0, inside).astype(to.numpy)).astype(to.numpy)


def limits(dtype: DType) -> tuple[float, float]:
    """The lowest and the highest finite number of a type; integers for integer types."""
    if dtype.is_int:
        bits = int(dtype.value[1:])
        signed = dtype.is_signed_int
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    most = _HIGHEST[dtype] if dtype in _HIGHEST else float(np.finfo(dtype.numpy).max)
    return -most, most


_HIGHEST = {
    DType.bf16: (2 - 2**-7) * 2.0**127,
    DType.f8e4m3: 448.0,
    DType.f8e5m2: 57344.0,
    DType.tf32: (2 - 2**-10) * 2.0**127,
}
"""The highest finite number of the floats that numpy does not describe."""


def _round_tf32(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Round float32 to 10 bits of mantissa, to nearest even."""
    bits = x.view(np.uint32)
    rounded = (bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(
        0xFFFFE000
    )
    return np.where(np.isnan(x), x, rounded.view(np.float32))


NUMPY: Math = NumpyMath()
