"""Every primitive function, on every element type it has a meaning for, as machine code.

The expected values are those of `ncc.ir.scalar`, on special values and random ones; scalar and
vector code must both agree.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ncc.backends.cpu import vecmath
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
    result_type,
)
from ncc.backends.cpu.target import Target
from ncc.ir.scalar import FUNCTIONS, cast
from ncc.ir.types import DType
from tests.machine_code import each_width, load_kernel

Array = npt.NDArray[Any]

FLOATS = (DType.f32, DType.f64)
SIGNED = (DType.i8, DType.i16, DType.i32, DType.i64)
UNSIGNED = (DType.u8, DType.u16, DType.u32, DType.u64)
INTEGERS = SIGNED + UNSIGNED
STORED = (DType.f16, DType.bf16, DType.tf32)
EVERYTHING = (*FLOATS, *INTEGERS, DType.bool)

ANY = ("eq", "ne", "lt", "le", "gt", "ge", "where", "min", "max")
NUMBERS = ("add", "sub", "mul", "div", "fmod", "fma", "neg", "abs")
ROUNDINGS = ("floor", "ceil", "trunc", "round", "nearest", "sqrt", "isnan", "isinf")
BITS = ("bitand", "bitor", "bitxor", "bitnot")
SHIFTS = ("shl", "shr")
ARITY = {"where": 3, "fma": 3} | dict.fromkeys((*ROUNDINGS, "neg", "abs", "bitnot"), 1)


def functions_of(dtype: DType) -> tuple[str, ...]:
    """The primitive functions that have a meaning on `dtype`."""
    if dtype.is_float:
        return (*ANY, *NUMBERS, *ROUNDINGS)
    if dtype is DType.bool:
        return (*ANY, *BITS)
    return (*ANY, *NUMBERS, *BITS, *SHIFTS)


def test_every_function_is_tested_here_or_expands() -> None:
    here = {fn for dtype in EVERYTHING for fn in functions_of(dtype)}
    x = Load(Buffer("x", DType.f32, 1, Role.input), Var("i"))
    for fn in set(FUNCTIONS) - here:
        arity = 2 if fn == "pow" else 1
        assert vecmath.expand(fn, (x,) * arity) is not None, fn


@functools.cache
def special_values(dtype: DType) -> Array:
    """Values at the edges of `dtype`, and some between."""
    if dtype is DType.bool:
        return np.array([False, True])
    if dtype.is_float:
        limits = np.finfo(np.float32 if dtype is not DType.f64 else np.float64)
        tiny = float(limits.tiny)
        some = [0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 7.25, 1e-3, 12345.678, 8388609.0, 3e9, 1e19]
        edges = [float(limits.max), tiny, tiny / 3, tiny * 1e-6, np.inf, np.nan]
        both = np.array([*some, *edges])
        return cast(np.concatenate([both, -both]), dtype)
    info = np.iinfo(dtype.numpy)
    some = [0, 1, 2, 3, 7, 8, 15, 16, 31, 63, 64, 100, info.max, info.max - 1]
    below = [info.min, info.min + 1, -1, -2, -7] if dtype.is_signed_int else []
    return np.array([*some, *below], dtype.numpy)


def operands(fn: str, dtype: DType) -> list[Array]:
    """Every pair of special values (a part of the triples), in an odd number."""
    values = special_values(dtype)
    if fn == "where":
        return [np.resize([True, False, True], 33), np.resize(values, 33), np.resize(values, 33)]
    if fn in SHIFTS:
        values = values[values >= 0]
    if fn == "nearest":
        values = values[abs(values) < 2**31]
    if fn == "fma" and dtype is DType.f64:
        values = special_values(DType.f32).astype(np.float64)  # products are exact
    columns = list(zip(*itertools.product(values, repeat=ARITY.get(fn, 2)), strict=True))
    arrays = [np.array(column, values.dtype) for column in columns]
    if fn == "fma" and dtype is DType.f32:
        arrays = [array[rounded_once(*arrays)] for array in arrays]
    return [
        np.resize(array[:: 1 + array.size // 2000], 2 * (array.size // 2) + 1) for array in arrays
    ]


def rounded_once(a: Array, b: Array, c: Array) -> Array:
    """Where a * b + c in float64 is exact, so that the reference of fma rounds only to f32."""
    with np.errstate(all="ignore"):
        product, c = a.astype(np.float64) * b, c.astype(np.float64)
        total = product + c
        high, low = np.maximum(abs(product), abs(c)), np.minimum(abs(product), abs(c))
        exact = abs(abs(total) - high) == low
    return np.asarray(exact | ~np.isfinite(total))


def kernel_of(exprs: list[tuple[list[Buffer], Any]]) -> Kernel:
    """One scalar and one vector loop for each (inputs, function of the loaded values)."""
    params: list[Buffer] = []
    body = []
    for number, (inputs, make) in enumerate(exprs):
        params += inputs
        for kind in (Kind.serial, Kind.vector):
            v = Var("v")
            value = make(*(Load(buffer, v) for buffer in inputs))
            size = inputs[0].size
            output = Buffer(f"{kind.value}{number}", value.dtype, size, Role.output)
            params.append(output)
            body.append(For(v, size, (Store(output, v, value),), kind))
    return Kernel("functions", tuple(params), (), tuple(body))


def inputs_for(number: int, arrays: list[Array], dtypes: list[DType]) -> list[Buffer]:
    return [
        Buffer(f"in{number}_{i}", dtype, array.size, Role.input)
        for i, (array, dtype) in enumerate(zip(arrays, dtypes, strict=True))
    ]


def run(kernel: Kernel, target: Target, arrays: list[list[Array]]) -> list[tuple[Array, Array]]:
    """The scalar and the vector result of each expression of `kernel_of`."""
    outputs = iter(
        [np.zeros(b.size, b.dtype.numpy) for b in kernel.params if b.role is Role.output]
    )
    passed: list[Array] = []
    results = []
    for group in arrays:
        pair = (next(outputs), next(outputs))
        passed += [*group, *pair]
        results.append(pair)
    load_kernel(kernel, target)(*passed)
    return results


def same_bits(a: Array, b: Array) -> Array:
    """Where two arrays agree: the same bits, or both NaN."""
    integer = np.dtype(f"u{a.dtype.itemsize}")
    with np.errstate(all="ignore"):
        nans = np.isnan(a) & np.isnan(b) if a.dtype.kind not in "iub" else False
    return np.asarray((a.view(integer) == b.view(integer)) | nans)


@pytest.mark.parametrize("dtype", EVERYTHING, ids=lambda dtype: dtype.value)
@each_width
def test_functions(dtype: DType, target: Target) -> None:
    names = functions_of(dtype)
    arrays = [operands(fn, dtype) for fn in names]
    exprs = []
    for number, (fn, group) in enumerate(zip(names, arrays, strict=True)):
        dtypes = [DType.bool, dtype, dtype] if fn == "where" else [dtype] * len(group)

        def make(*args: Expr, fn: str = fn) -> Expr:
            return Apply(fn, args, result_type(fn, args))

        exprs.append((inputs_for(number, group, dtypes), make))
    results = run(kernel_of(exprs), target, arrays)
    for fn, group, pair in zip(names, arrays, results, strict=True):
        with np.errstate(all="ignore"):
            expected = np.asarray(FUNCTIONS[fn](*group))
        for kind, got in zip(("scalar", "vector"), pair, strict=True):
            expected = expected.astype(got.dtype)
            agree = expected == got if fn in ("min", "max") else False
            wrong = np.flatnonzero(~(same_bits(expected, got) | agree))
            at = [array[wrong[:3]] for array in group]
            assert not wrong.size, (
                f"{kind} {fn}({at}) = {got[wrong[:3]]}, not {expected[wrong[:3]]}"
            )


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: dtype.value)
@each_width
def test_quotients_next_to_whole_numbers(dtype: DType, target: Target) -> None:
    info, draw = np.iinfo(dtype.numpy), np.random.default_rng(0)
    by = draw.integers(1, info.max, 4001, dtype.numpy)
    by[::2] = draw.integers(1, 100, by[::2].size).astype(dtype.numpy)
    times = draw.integers(0, info.max, by.size, dtype.numpy) // by
    near = times * by - (draw.integers(0, 2, by.size).astype(dtype.numpy) & (times > 0))
    for fn in ("div", "fmod"):
        arrays = [near.astype(dtype.numpy), by]
        exprs = [
            (inputs_for(0, arrays, [dtype, dtype]), lambda a, b, fn=fn: Apply(fn, (a, b), dtype))
        ]
        for got in run(kernel_of(exprs), target, [arrays])[0]:
            np.testing.assert_array_equal(got, FUNCTIONS[fn](*arrays))


CASTS = (*EVERYTHING, *STORED)


@pytest.mark.parametrize("source", CASTS, ids=lambda dtype: dtype.value)
@each_width
def test_casts(source: DType, target: Target) -> None:
    values = cast_values(source)
    exprs = []
    for number, to in enumerate(CASTS):

        def make(x: Expr, to: DType = to) -> Expr:
            return x if x.dtype is to else Convert(x, to)

        exprs.append((inputs_for(number, [values], [source]), make))
    results = run(kernel_of(exprs), target, [[values]] * len(CASTS))
    for to, pair in zip(CASTS, results, strict=True):
        wide = values.astype(np.float32) if source in STORED else values
        with warnings.catch_warnings(action="ignore"):
            expected = cast(values if to in STORED else wide, to)
        if to is DType.bf16 and source is not to and target.has_bf16_dot:
            expected = without_subnormals(wide, expected)
        for kind, got in zip(("scalar", "vector"), pair, strict=True):
            wrong = np.flatnonzero(~same_bits(expected, got))
            assert not wrong.size, (
                f"{kind} {to.value}({values[wrong[:3]]}) = {got[wrong[:3]]}, "
                f"not {expected[wrong[:3]]}"
            )


def without_subnormals(values: Array, rounded: Array) -> Array:
    """`rounded`, but zeros where `values` are subnormal as f32 (docs/precision.md)."""
    with np.errstate(all="ignore"):
        single = values.astype(np.float32)
    subnormal = abs(single) < np.finfo(np.float32).smallest_normal
    return np.where(subnormal, np.copysign(0, single).astype(rounded.dtype), rounded)


@functools.cache
def cast_values(source: DType) -> Array:
    """Special values, values beside the edges of other types, and random bits."""
    rng = np.random.default_rng(1)
    if source is DType.bool:
        return np.array([True, False, True])
    bits = rng.integers(0, 256, 2048 * source.itemsize, np.uint8).view(source.numpy)
    edges = [2.0**n + d for n in (7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, -0.5, 0, 1)]
    near = np.array([*edges, *np.negative(edges)])
    halves = np.ldexp(1.0 + np.arange(64) / 32, 3 * np.arange(64) - 96)
    with np.errstate(all="ignore"):
        parts = [special_values(source), cast(near, source), cast(halves, source)]
        return np.concatenate([*parts, cast(bits, source) if source is DType.tf32 else bits])
