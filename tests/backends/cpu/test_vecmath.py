"""The formulas of `vecmath`: accuracy as docs/math.md states it, and the same bits as code.

References are numpy in the next wider type: float64 for f32, long double for f64.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ncc.backends.cpu.loopir.loops import (
    Apply,
    Buffer,
    Convert,
    Expr,
    For,
    Kernel,
    Kind,
    Load,
    Role,
    Store,
    Var,
)
from ncc.backends.cpu.loopir.loops import apply as apply_expr
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.vecmath import FORMULAS, expand, formula
from ncc.ir.ops.exponential_units import Softplus
from ncc.ir.ops.gelu import Approximation, Gelu
from ncc.ir.ops.mish import Mish
from ncc.ir.ops.sigmoid import Sigmoid, Silu
from ncc.ir.scalar import FUNCTIONS, NUMPY
from ncc.ir.types import DType
from tests.backends.cpu.exact import ExactMath
from tests.machine_code import each_target, load_kernel

Array = npt.NDArray[Any]

ROOT_2 = np.sqrt(np.longdouble(2))
DOC = Path(__file__).resolve().parents[3] / "docs" / "math.md"
BINARY = ("pow", "fmod")
UNARY = tuple(fn for fn in FORMULAS if fn not in BINARY)
SIGNED = (DType.i8, DType.i16, DType.i32, DType.i64)
INTEGERS = (*SIGNED, DType.u8, DType.u16, DType.u32, DType.u64)
WIDER = {DType.f32: np.float64, DType.f64: np.longdouble}
UNSIGNED = {DType.f32: np.uint32, DType.f64: np.uint64}
LEAST_EXPONENT = {DType.f32: -149, DType.f64: -1074}
MOST_DECAY = 64
"""`decay` is meant for numbers up to here."""
DIGITS = {DType.f32: 24, DType.f64: 53}
SPECIAL = (
    *(0.0, 0.1, 0.5, 0.5625, 1.0, 1.5, 2.0, 3.0, 7.0, 8.0, 88.7, 104.0, 709.0, 745.0, 1e30),
    *(math.inf, math.nan),
)
EDGES = {
    DType.f32: (1e-45, 1.1754942e-38, 2.0**-126, 2.0**24 + 2, 3.4028235e38),
    DType.f64: (5e-324, 2.2250738585072014e-308, 2.0**53 + 2, 1.7976931348623157e308),
}

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

FLOATS = pytest.mark.parametrize(
    "dtype",
    [
        DType.f32,
        pytest.param(
            DType.f64,
            marks=pytest.mark.skipif(
                np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than f64"
            ),
        ),
    ],
    ids=lambda dtype: dtype.value,
)


def stated() -> dict[str, dict[DType, tuple[float, int]]]:
    """The table of docs/math.md: for each function and type (error in ULP, operations)."""
    row = r"^\| `(\w+)` \| ([\d.]+) \| (\d+) \| ([\d.]+) \| (\d+) \|$"
    return {
        fn: {
            DType.f32: (float(error32), int(count32)),
            DType.f64: (float(error64), int(count64)),
        }
        for fn, error32, count32, error64, count64 in re.findall(row, DOC.read_text(), re.MULTILINE)
    }


@cache
def special(dtype: DType) -> Array:
    """Values where formulas change their mind, of both signs."""
    values = np.array([*SPECIAL, *EDGES[dtype]])
    return np.concatenate([values, -values]).astype(dtype.numpy)


@cache
def samples(dtype: DType) -> Array:
    """Bit patterns of the whole range, and more where most functions change."""
    random = np.random.default_rng(1)
    if dtype is DType.f32:
        patterns = np.arange(0, 2**32, 4093, dtype=np.uint64).astype(np.uint32)
        size = 1 << 18
    else:
        patterns = random.integers(0, 2**64, 1 << 14, dtype=np.uint64)
        size = 1 << 13
    ranges = [random.uniform(-bound, bound, size) for bound in (1.2, 10.0, 750.0)]
    return np.concatenate(
        [patterns.view(dtype.numpy), np.concatenate(ranges).astype(dtype.numpy), special(dtype)]
    )


def domain(fn: str, dtype: DType) -> Array:
    """Those of the samples that a function is meant for."""
    x = samples(dtype)
    if fn != "decay":
        return x
    least = math.log(np.finfo(dtype.numpy).smallest_normal)
    return np.compress(~((x < least) | (x > MOST_DECAY)), x)


def pairs(dtype: DType) -> tuple[Array, Array]:
    """Every pair of special values."""
    x, y = np.meshgrid(special(dtype), special(dtype))
    return x.ravel(), y.ravel()


def run(fn: str, dtype: DType, *operands: Array) -> Array:
    """The formula of `fn` as numpy computes it."""
    chosen = formula(fn, dtype)
    assert chosen is not None
    result = np.asarray(chosen(ExactMath(), *operands))
    assert result.dtype == dtype.numpy
    return result


def reference(fn: str, dtype: DType, *operands: Array) -> Array:
    """`fn` in the wider type."""
    wide = [operand.astype(WIDER[dtype]) for operand in operands]
    if fn == "erf" and dtype is DType.f64:
        return long_erf(*wide)
    if fn == "gelu" and dtype is DType.f64:
        x = np.maximum(wide[0], -1e300)
        return np.asarray(x * (1 + long_erf(x / ROOT_2)) / 2)
    return np.asarray(FUNCTIONS[fn](*wide))


def long_erf(x: Array) -> Array:
    """erf of long double: 2/sqrt(pi) exp(-x*x) sum(2**n x**(2n+1) / (1*3*..*(2n+1))).

    No term is negative (Abramowitz and Stegun 7.1.6); 400 are enough up to 8, where erf is 1.
    """
    bounded = np.where(np.abs(x) < 8, x, 0)
    term = total = bounded
    for n in range(1, 400):
        term = term * (2 * bounded * bounded) / (2 * n + 1)
        total = total + term
    root = np.sqrt(np.arctan(np.longdouble(1)))
    near = np.exp(-bounded * bounded) * total / root
    return np.where(np.abs(x) < 8, near, np.copysign(np.where(np.isnan(x), x, 1), x))


def ulps(got: Array, exact: Array, dtype: DType, size: Array) -> Array:
    """The distance in units of the last place of `size`; infinite where a special value differs."""
    rounded = exact.astype(dtype.numpy)
    scale = np.frexp(size)[1]
    exponent = np.maximum(scale - DIGITS[dtype], LEAST_EXPONENT[dtype])
    distance = np.abs(np.ldexp(got.astype(exact.dtype) - exact, -exponent))
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    finite = np.isfinite(rounded) & np.isfinite(got)
    sign = (rounded != 0) | (got != 0) | (np.signbit(rounded) == np.signbit(got))
    return np.where(finite & sign, distance, np.where(same & sign, 0, np.inf))


def size_of_gelu(x: Array, exact: Array) -> Array:
    """What the error of gelu is relative to, as docs/math.md says."""
    size: Array = np.maximum(np.abs(exact), np.minimum(np.abs(x), 1))
    return size


def worst(fn: str, dtype: DType, *operands: Array) -> tuple[float, str]:
    """The largest error, and where."""
    got, exact = run(fn, dtype, *operands), reference(fn, dtype, *operands)
    size = size_of_gelu(operands[0], exact) if fn == "gelu" else exact
    errors = ulps(got, exact, dtype, size)
    i = int(np.argmax(errors))
    at = ", ".join(str(operand[i]) for operand in operands)
    return float(errors[i]), f"{fn}({at}) = {got[i]}, not {exact[i]}"


def test_the_document_has_every_function() -> None:
    assert list(stated()) == list(FORMULAS)


@pytest.mark.parametrize("fn", UNARY)
@FLOATS
def test_error_is_as_stated(fn: str, dtype: DType) -> None:
    error, where = worst(fn, dtype, domain(fn, dtype))
    assert error <= stated()[fn][dtype][0], where


@pytest.mark.parametrize("dtype", WIDER, ids=lambda dtype: dtype.value)
def test_what_decays_below_normal_numbers_is_nothing(dtype: DType) -> None:
    least = math.log(np.finfo(dtype.numpy).smallest_normal)
    x = np.array([least * 1.000001, -1e5, -1e30, -math.inf], dtype.numpy)
    assert same_bits(run("decay", dtype, x), np.zeros_like(x)).all()
    assert run("decay", dtype, np.array([least * 0.999999], dtype.numpy)) > 0


@FLOATS
def test_error_of_pow(dtype: DType) -> None:
    random = np.random.default_rng(2)
    size, reach = 1 << 16, {DType.f32: 100.0, DType.f64: 740.0}[dtype]
    log = random.uniform(-reach, reach, size)
    x = np.exp(random.uniform(-1, 1, size) * np.abs(log) / 2).astype(dtype.numpy)
    near = (1 + random.uniform(-1e-3, 1e-3, size)).astype(dtype.numpy)
    for base in (x, near):
        y = (log / np.log(base.astype(np.float64))).astype(dtype.numpy)
        error, where = worst("pow", dtype, base, y)
        assert error <= stated()["pow"][dtype][0], where


@pytest.mark.parametrize("dtype", WIDER, ids=lambda dtype: dtype.value)
def test_special_cases_of_pow(dtype: DType) -> None:
    x, y = pairs(dtype)
    got, expected = run("pow", dtype, x, y), np.power(x, y)
    assert same_bits(got[~np.isfinite(expected)], expected[~np.isfinite(expected)]).all()
    assert (np.signbit(got) == np.signbit(expected))[~np.isnan(expected)].all()
    exact = (expected == 0) | (np.abs(expected) == 1)
    assert (got[exact] == expected[exact]).all()


@pytest.mark.parametrize("dtype", WIDER, ids=lambda dtype: dtype.value)
def test_fmod_is_exact(dtype: DType) -> None:
    random = np.random.default_rng(3)
    x, y = random.integers(0, 2 ** (8 * dtype.itemsize), (2, 1 << 15), dtype=np.uint64)
    any_bits = [operand.astype(UNSIGNED[dtype]).view(dtype.numpy) for operand in (x, y)]
    small = random.uniform(-10, 10, (2, 1 << 12)).astype(dtype.numpy)
    for operands in (any_bits, list(small), list(pairs(dtype))):
        assert same_bits(run("fmod", dtype, *operands), np.fmod(*operands)).all()


def integer_powers(dtype: DType) -> tuple[Array, Array, list[int]]:
    """Bases, exponents and x**n as docs/math.md defines it."""
    info = np.iinfo(dtype.numpy)
    bases = [0, 1, 2, 3, 7, 10, info.max, info.max - 1, info.min, info.min + 1]
    bases += [-1, -2, -3] if dtype in SIGNED else []
    exponents = [0, 1, 2, 3, 5, 7, 8, 31, 63, 64, info.max, info.min + 1, info.min]
    cases = [(x, n) for x in bases for n in exponents]
    x, n = (np.array(column, dtype.numpy) for column in zip(*cases, strict=True))
    bits = 8 * dtype.itemsize
    return x, n, [wrapped(power(*case), bits, dtype in SIGNED) for case in cases]


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: dtype.value)
def test_pow_of_integers(dtype: DType) -> None:
    x, n, expected = integer_powers(dtype)
    assert run("pow", dtype, x, n).tolist() == expected


def power(x: int, n: int) -> int:
    """x**n modulo 2**64; for negative n as docs/math.md says."""
    return pow(x, n, 2**64) if n >= 0 else x ** (n % 2) if abs(x) == 1 else 0


def wrapped(value: int, bits: int, signed: bool) -> int:
    """`value` modulo 2**bits, in the range of the type."""
    value %= 2**bits
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def functions_in(expr: Expr) -> list[str]:
    """The function of each distinct operation below `expr`; casts are functions too."""
    seen: dict[Expr, str] = {}
    stack = [expr]
    while stack:
        found = stack.pop()
        if isinstance(found, Apply) and found not in seen:
            seen[found] = found.fn
            stack += found.args
        elif isinstance(found, Convert) and found not in seen:
            seen[found] = "bits" if found.bits else "cast"
            stack.append(found.x)
    return [name for name in seen.values() if name != "bits"]


@pytest.mark.parametrize("fn", FORMULAS)
@pytest.mark.parametrize("dtype", WIDER, ids=lambda dtype: dtype.value)
def test_expansions_are_primitive_and_as_long_as_stated(fn: str, dtype: DType) -> None:
    x, y = (Load(Buffer(name, dtype, 1, Role.input), Var("i")) for name in "xy")
    expansion = expand(fn, (x, y) if fn in BINARY else (x,))
    assert expansion is not None
    assert expansion.dtype is dtype
    functions = functions_in(expansion)
    assert not set(functions) & set(FORMULAS)
    assert len(functions) == stated()[fn][dtype][1]


def test_primitive_functions_do_not_expand() -> None:
    x = Load(Buffer("x", DType.f32, 1, Role.input), Var("i"))
    n = Load(Buffer("n", DType.i32, 1, Role.input), Var("i"))
    assert expand("sqrt", (x,)) is None
    assert expand("fmod", (n, n)) is None


def kernel_of(functions: Iterable[str], dtype: DType, size: int) -> Kernel:
    """Each function of x (and y), once in a vector loop and once in a scalar one."""
    inputs = [Buffer(name, dtype, size, Role.input) for name in "xy"]
    outputs, loops = [], []
    for fn in functions:
        for kind in (Kind.vector, Kind.serial):
            i = Var("i")
            x, y = (Load(buffer, i) for buffer in inputs)
            value = apply_expr(fn, x, y) if fn in BINARY else apply_expr(fn, x)
            outputs.append(Buffer(f"{fn}.{kind.value}", dtype, size, Role.output))
            loops.append(For(i, size, (Store(outputs[-1], i, value),), kind))
    return Kernel("functions", (*inputs, *outputs), (), tuple(loops))


@pytest.mark.parametrize("dtype", WIDER, ids=lambda dtype: dtype.value)
@each_target
def test_machine_code_gives_the_bits_of_numpy(dtype: DType, target: Target) -> None:
    x = np.concatenate([pairs(dtype)[0], samples(dtype)[:: 1 + samples(dtype).size // 3000]])
    y = np.concatenate([pairs(dtype)[1], np.resize(special(dtype), x.size - pairs(dtype)[1].size)])
    kernel = kernel_of(FORMULAS, dtype, x.size)
    outputs = [np.zeros_like(x) for _ in kernel.params[2:]]
    load_kernel(kernel, target)(x, y, *outputs)
    for buffer, got in zip(kernel.params[2:], outputs, strict=True):
        fn = buffer.name.split(".")[0]
        expected = run(fn, dtype, x, y) if fn in BINARY else run(fn, dtype, x)
        wrong = np.flatnonzero(~same_bits(got, expected))[:3]
        assert not wrong.size, f"{buffer.name}({x[wrong]}) = {got[wrong]}, not {expected[wrong]}"


@pytest.mark.parametrize("dtype", [DType.u8, DType.i32, DType.i64], ids=lambda dtype: dtype.value)
@each_target
def test_machine_code_of_integer_pow(dtype: DType, target: Target) -> None:
    x, n, expected = integer_powers(dtype)
    vector, scalar = np.zeros_like(x), np.zeros_like(x)
    load_kernel(kernel_of(["pow"], dtype, x.size), target)(x, n, vector, scalar)
    assert vector.tolist() == expected
    assert scalar.tolist() == expected


class Expanded(ExactMath):
    """`Math` as code has it: transcendental functions are their formulas."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in FORMULAS:
            return super().__getattr__(name)
        return lambda *operands: run(name, DType.of(operands[0].dtype), *operands)


@pytest.mark.parametrize(
    "op",
    [Sigmoid(), Silu(), Softplus(), Mish(), Gelu(), Gelu(Approximation.tanh)],
    ids=["sigmoid", "silu", "softplus", "mish", "gelu", "gelu_tanh"],
)
def test_activations_stay_accurate_and_finite(op: Any) -> None:
    """Within 4 units of the last place of the result or, where they cancel, of the operand."""
    x = samples(DType.f32)
    x = x[np.abs(x) < 1e18]
    got = op.scalar(Expanded(), x)
    exact = op.scalar(NUMPY, x.astype(np.float64))
    size = np.maximum(np.abs(exact), np.minimum(np.abs(x), 1.0)).astype(np.float32)
    error = np.abs(got - exact) / np.spacing(size)
    i = int(np.nanargmax(np.where(np.isfinite(error), error, np.inf)))
    assert error[i] <= 4, f"{op.name}({x[i]}) = {got[i]}, not {exact[i]}"


def same_bits(a: Array, b: Array) -> Array:
    """Where two arrays of one type agree: the same bits, or both NaN."""
    integer = np.dtype(f"u{a.dtype.itemsize}")
    return np.asarray((a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b)))
