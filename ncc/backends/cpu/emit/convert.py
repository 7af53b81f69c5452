"""Conversions between element types, equal to `ncc.ir.scalar.cast` bit for bit (NaNs stay NaNs).

The one exception: targets with AVX512-BF16 round to bf16 in one instruction, which takes
subnormal numbers for zeros of their sign (docs/precision.md).
"""

from __future__ import annotations

import math

import numpy as np

from ncc.backends.cpu.emit.code import Code, Value, literal
from ncc.backends.cpu.emit.types import element
from ncc.backends.cpu.target import Target
from ncc.ir.types import DType

_NARROW = {DType.f16, DType.bf16}


def bitcast(code: Code, x: Value, to: DType) -> Value:
    """The same bits as another type of that width."""
    kind = element(to)
    return x if x.element == kind else code.convert("bitcast", x, kind)


def convert(code: Code, x: Value, source: DType, to: DType, target: Target) -> Value:
    """`x`, of element type `source`, as `to`."""
    if source is to:
        return x
    if source in _NARROW:
        return convert(code, widen(code, x, source), DType.f32, to, target)
    if to is DType.bf16 and target.has_bf16_dot:
        single = _to_wide_float(code, x, source, "float")
        return code.convert("bitcast", code.convert("fptrunc", single, "bfloat"), "i16")
    if to in _NARROW or to is DType.tf32:
        return _narrow(code, x, source, to)
    if to is DType.bool:
        differs = "fcmp une" if x.is_float else "icmp ne"
        return code.compare(differs, x, literal(0, x.element, x.lanes))
    if to.is_float:
        return _to_wide_float(code, x, source, element(to))
    if x.is_float:
        return _float_to_int(code, x, to)
    return code.resize(x, element(to), signed=source.is_signed_int)


def widen(code: Code, x: Value, source: DType) -> Value:
    """The bits of f16 or bf16 as f32."""
    if source is DType.f16:
        return code.convert("fpext", code.convert("bitcast", x, "half"), "float")
    wide = code.convert("zext", x, "i32")
    return code.convert("bitcast", code.binary("shl", wide, _like(wide, 16)), "float")


def _like(pattern: Value, value: float) -> Value:
    return literal(value, pattern.element, pattern.lanes)


def _to_wide_float(code: Code, x: Value, source: DType, kind: str) -> Value:
    if x.element == kind:
        return x
    if x.is_float:
        return code.convert("fpext" if kind == "double" else "fptrunc", x, kind)
    return code.convert("sitofp" if source.is_signed_int else "uitofp", x, kind)


def _narrow(code: Code, x: Value, source: DType, to: DType) -> Value:
    if to is DType.f16 and source is DType.f64:
        x = _round_to_odd(code, x)
    single = _to_wide_float(code, x, source, "float")
    if to is DType.f16:
        return code.convert("bitcast", code.convert("fptrunc", single, "half"), "i16")
    if to is DType.bf16:
        return _round_bf16(code, single)
    return _round_tf32(code, single)


def _round_bf16(code: Code, x: Value) -> Value:
    """f32 to the bits of bf16, to nearest even."""
    rounded = code.binary("lshr", _rounded_bits(code, x, drop=16), _lanes(x, 16))
    quiet = code.select(code.compare("fcmp uno", x, x), _lanes(x, 0x7FC0), rounded)
    return code.convert("trunc", quiet, "i16")


def _round_tf32(code: Code, x: Value) -> Value:
    bits = code.binary("and", _rounded_bits(code, x, drop=13), _lanes(x, -1 << 13))
    return code.select(code.compare("fcmp uno", x, x), x, code.convert("bitcast", bits, "float"))


def _lanes(x: Value, value: int) -> Value:
    return literal(value, "i32", x.lanes)


def _rounded_bits(code: Code, x: Value, drop: int) -> Value:
    """The bits of `x` with half a unit of the bits kept added: rounds ties to even."""
    bits = code.convert("bitcast", x, "i32")
    odd = code.binary("and", code.binary("lshr", bits, _lanes(x, drop)), _lanes(x, 1))
    half = code.binary("add", bits, _lanes(x, (1 << drop - 1) - 1))
    return code.binary("add", half, odd)


def _round_to_odd(code: Code, x: Value) -> Value:
    """f64 to f32 such that rounding once more to f16 is as if rounded once.

    Inexact results are made odd: the last bit then stands for everything cut off.
    """
    near = code.convert("fptrunc", x, "float")
    back = code.convert("fpext", near, "double")
    bits = code.convert("bitcast", near, "i32")
    even = code.compare("icmp eq", code.binary("and", bits, _lanes(x, 1)), _lanes(x, 0))
    inexact = code.compare("fcmp one", back, x)
    size, near_size = code.intrinsic("llvm.fabs", x), code.intrinsic("llvm.fabs", back)
    away = code.compare("fcmp ogt", near_size, size)
    toward = code.binary("add", bits, code.select(away, _lanes(x, -1), _lanes(x, 1)))
    odd = code.select(code.binary("and", even, inexact), toward, bits)
    return code.convert("bitcast", odd, "float")


def _float_to_int(code: Code, x: Value, to: DType) -> Value:
    """Truncated; out of range saturates, NaN gives 0."""
    info = np.iinfo(to.numpy)
    top = float(info.max)
    exact = int(top if x.element == "double" else np.float32(top)) == info.max
    below = top if exact else _largest_below(top, x.element)
    low = _at_least(code, x, info.min)
    inside = code.select(code.compare("fcmp ogt", low, _like(x, below)), _like(x, below), low)
    kind = element(to)
    wide = kind if to.itemsize >= 4 else "i32"
    signed = to.is_signed_int or to.itemsize < 4
    result = code.convert("fptosi" if signed else "fptoui", inside, wide)
    if exact:
        return code.resize(result, kind)
    over = code.compare("fcmp ogt", x, _like(x, below))
    return code.select(over, literal(info.max, kind, x.lanes), result)


def _at_least(code: Code, x: Value, least: int) -> Value:
    """`x`, or `least` where that is larger; NaN gives 0."""
    low, zero = _like(x, least), _like(x, 0.0)
    if not least:
        return code.select(code.compare("fcmp ogt", x, zero), x, zero)
    number = code.select(code.compare("fcmp uno", x, x), zero, x)
    return code.select(code.compare("fcmp olt", number, low), low, number)


def _largest_below(power: float, kind: str) -> float:
    """The float before a power of two."""
    return (
        math.nextafter(power, 0)
        if kind == "double"
        else float(np.nextafter(np.float32(power), np.float32(0)))
    )
