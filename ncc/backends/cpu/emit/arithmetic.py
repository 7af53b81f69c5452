"""Instructions for the primitive functions of `ncc.ir.scalar`, on scalars and vectors alike."""

from __future__ import annotations

from collections.abc import Callable

from ncc.backends.cpu.emit.code import Code, Value, literal, overload
from ncc.ir.types import DType

_FLOAT_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_FLOAT_UNARY = {
    "abs": "llvm.fabs",
    "sqrt": "llvm.sqrt",
    "floor": "llvm.floor",
    "ceil": "llvm.ceil",
    "trunc": "llvm.trunc",
    "round": "llvm.roundeven",
}
_INT_BINARY = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "bitand": "and",
    "bitor": "or",
    "bitxor": "xor",
}
_FLOAT_ORDER = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
COMPARISONS = frozenset(_FLOAT_ORDER)


def primitive(code: Code, fn: str, dtype: DType, args: list[Value]) -> Value:
    """`fn` of values of element type `dtype` (that of the choices for `where`)."""
    if fn == "where":
        return code.select(*args)
    if fn in COMPARISONS:
        return _compare(code, fn, dtype, *args)
    table = _FLOAT if dtype.is_float else _INTEGER
    assert fn in table, f"{fn} has no meaning on {dtype.value}"
    return table[fn](code, fn, dtype, args)


def choose(code: Code, fn: str, number: Value, x: Value) -> Value:
    """min or max of floats of which the first is known not to be NaN."""
    before = code.compare(f"fcmp {'olt' if fn == 'min' else 'ogt'}", number, x)
    return code.select(before, number, x)


def _compare(code: Code, fn: str, dtype: DType, a: Value, b: Value) -> Value:
    if dtype.is_float:
        return code.compare(f"fcmp {_FLOAT_ORDER[fn]}", a, b)
    sign = "" if fn in ("eq", "ne") else "s" if dtype.is_signed_int else "u"
    return code.compare(f"icmp {sign}{fn}", a, b)


# Floats.


def _float_binary(code: Code, fn: str, _: DType, args: list[Value]) -> Value:
    return code.binary(_FLOAT_BINARY[fn], *args)


def _float_unary(code: Code, fn: str, _: DType, args: list[Value]) -> Value:
    return code.intrinsic(_FLOAT_UNARY[fn], *args)


def _float_nearest(code: Code, _fn: str, _: DType, args: list[Value]) -> Value:
    whole = literal(0, "i32", args[0].lanes)
    return code.call(f"llvm.lrint.{overload(whole)}.{overload(args[0])}", whole, *args)


def _float_choice(code: Code, fn: str, _: DType, args: list[Value]) -> Value:
    """NaN if either is. A total comes first: it is not the one that is asked whether it is NaN."""
    total, x = args
    name = f"llvm.{fn}imum.{overload(x)}"
    return code.call(name, x, x, total, flags="nsz")


def _float_is_inf(code: Code, _fn: str, _: DType, args: list[Value]) -> Value:
    size = code.intrinsic("llvm.fabs", *args)
    return code.compare("fcmp oeq", size, literal(float("inf"), size.element, size.lanes))


_Emit = Callable[[Code, str, DType, list[Value]], Value]
_FLOAT: dict[str, _Emit] = {
    **dict.fromkeys(_FLOAT_BINARY, _float_binary),
    **dict.fromkeys(_FLOAT_UNARY, _float_unary),
    "neg": lambda code, _fn, _dtype, args: code.like(args[0], f"fneg {args[0]}"),
    "fma": lambda code, _fn, _dtype, args: code.intrinsic("llvm.fma", *args),
    "nearest": _float_nearest,
    "min": _float_choice,
    "max": _float_choice,
    "isnan": lambda code, _fn, _dtype, args: code.compare("fcmp uno", args[0], args[0]),
    "isinf": _float_is_inf,
}


# Integers and booleans.


def _same(pattern: Value, value: int) -> Value:
    return literal(value, pattern.element, pattern.lanes)


def _int_binary(code: Code, fn: str, _: DType, args: list[Value]) -> Value:
    return code.binary(_INT_BINARY[fn], *args)


def _int_choice(code: Code, fn: str, dtype: DType, args: list[Value]) -> Value:
    sign = "s" if dtype.is_signed_int else "u"
    return code.intrinsic(f"llvm.{sign}{fn}", *args)


def _int_abs(code: Code, _fn: str, dtype: DType, args: list[Value]) -> Value:
    if not dtype.is_signed_int:
        return args[0]
    x = args[0]
    return code.call(f"llvm.abs.{overload(x)}", x, x, literal(0, "i1"))


def _divide(code: Code, fn: str, dtype: DType, args: list[Value]) -> Value:
    """x / 0 is 0; the least integer divided by -1 wraps around to itself."""
    a, b = args
    opcode = ("s" if dtype.is_signed_int else "u") + ("div" if fn == "div" else "rem")
    zero, one = _same(a, 0), _same(a, 1)
    is_zero = code.compare("icmp eq", b, zero)
    safe = code.select(is_zero, one, b)
    if dtype.is_signed_int:
        is_least = code.compare("icmp eq", a, _same(a, -1 << (a.bits - 1)))
        is_minus = code.compare("icmp eq", b, _same(b, -1))
        safe = code.select(code.binary("and", is_least, is_minus), one, safe)
    in_lanes = a.lanes and a.bits in _HOLDS and b.text.startswith("%")
    result = _divide_lanes(code, fn, dtype, a, safe) if in_lanes else code.binary(opcode, a, safe)
    return code.select(is_zero, zero, result)


_HOLDS = {8: "float", 16: "float", 32: "double"}
"""Floats that hold so much more than integers of a width that no quotient is rounded up to a whole
number: it is less than that by one part in 2 * 2**width at least."""


def _divide_lanes(code: Code, fn: str, dtype: DType, a: Value, b: Value) -> Value:
    """The quotient or the remainder by floats: there are no vectors of integer division."""
    sign = "s" if dtype.is_signed_int else "u"
    x, y = (code.convert(f"{sign}itofp", value, _HOLDS[value.bits]) for value in (a, b))
    quotient = code.convert(f"fpto{sign}i", code.binary("fdiv", x, y), a.element)
    if fn == "div":
        return quotient
    return code.binary("sub", a, code.binary("mul", quotient, b))


def _shift(code: Code, fn: str, dtype: DType, args: list[Value]) -> Value:
    """Shifts by the width or more give 0."""
    a, b = args
    opcode = "shl" if fn == "shl" else "ashr" if dtype.is_signed_int else "lshr"
    inside = code.compare("icmp ult", b, _same(b, b.bits))
    shifted = code.binary(opcode, a, code.select(inside, b, _same(b, 0)))
    return code.select(inside, shifted, _same(a, 0))


_INTEGER: dict[str, _Emit] = {
    **dict.fromkeys(_INT_BINARY, _int_binary),
    "div": _divide,
    "fmod": _divide,
    "neg": lambda code, _fn, _dtype, args: code.binary("sub", _same(args[0], 0), args[0]),
    "abs": _int_abs,
    "min": _int_choice,
    "max": _int_choice,
    "bitnot": lambda code, _fn, _dtype, args: code.binary("xor", args[0], _same(args[0], -1)),
    "fma": lambda code, _fn, _dtype, args: code.binary(
        "add", code.binary("mul", *args[:2]), args[2]
    ),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), lambda _c, _f, _d, args: args[0]),
    "isnan": lambda code, _fn, _dtype, args: literal(0, "i1", args[0].lanes),
    "isinf": lambda code, _fn, _dtype, args: literal(0, "i1", args[0].lanes),
    "shl": _shift,
    "shr": _shift,
}
