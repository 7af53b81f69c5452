"""What a contraction does with its sums: short bodies in registers, long ones on the stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ncc.backends.cpu.codegen import listing
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Buffer,
    Const,
    Expr,
    Let,
    Load,
    Local,
    LoopMath,
    Role,
    Stmt,
    Store,
    apply,
)
from ncc.backends.cpu.target import TARGETS, Target
from ncc.backends.cpu.tiles import Tiling
from ncc.ir.op import Array
from ncc.ir.types import DType
from tests.backends.cpu.contractions import Sum, draw, matmul
from tests.guarded import Edge, guarded, survives
from tests.machine_code import RUNNABLE, load_kernel

MATH = LoopMath()
ROWS, COLUMNS, DEPTH = 17, 50, 9
Buffers = tuple[Buffer, ...]
Stmts = tuple[Stmt, ...]


@dataclass(frozen=True)
class Case:
    """A body, and what it makes of the exact sums and of its inputs, in numpy."""

    body: Callable[[Sum], tuple[Buffers, Stmts]]
    expected: Callable[..., Array]
    slope: float = 1.0
    """How much an error of a sum can grow."""


def vector(sums: Sum, name: str, size: int) -> Buffer:
    return Buffer(name, DType.f32, size, Role.input)


def zero() -> Const:
    return Const(0.0, DType.f32)


def bias_relu(sums: Sum) -> tuple[Buffers, Stmts]:
    bias, out = vector(sums, "bias", sums.columns), sums.buffer("out", DType.f32)
    value = apply("max", sums.acc + Load(bias, sums.column), zero())
    return (bias, out), (Store(out, sums.place, value),)


def scale_of_the_row(sums: Sum) -> tuple[Buffers, Stmts]:
    scale, out = vector(sums, "scale", sums.rows), sums.buffer("out", DType.f32)
    return (scale, out), (Store(out, sums.place, sums.acc * Load(scale, sums.row)),)


def residual_to_bf16(sums: Sum) -> tuple[Buffers, Stmts]:
    residual = sums.buffer("residual", DType.bf16, role=Role.input)
    out = sums.buffer("out", DType.bf16)
    total = Local("total", DType.f32)
    return (residual, out), (
        Let(total, sums.acc),
        Assign(total, total + MATH.cast(Load(residual, sums.place), DType.f32)),
        Store(out, sums.place, MATH.cast(total, DType.bf16)),
    )


def transposed(sums: Sum) -> tuple[Buffers, Stmts]:
    out = sums.buffer("out", DType.f32)
    return (out,), (Store(out, sums.column * sums.rows + sums.row, sums.acc),)


def only_some_columns(sums: Sum) -> tuple[Buffers, Stmts]:
    out = sums.buffer("out", DType.f32, sums.rows * 20)
    narrow = sums.row * 20 + apply("min", sums.column, 19)
    return (out,), (Store(out, narrow, sums.acc, guard=sums.column < 20),)


def read_back(sums: Sum) -> tuple[Buffers, Stmts]:
    first, out = sums.buffer("first", DType.f32), sums.buffer("out", DType.f32)
    return (first, out), (
        Store(first, sums.place, sums.acc * 2.0),
        Store(out, sums.place, Load(first, sums.place) - sums.acc * 0.5),
    )


def series(x: Any) -> Any:
    """A value of many instructions, of slope below 1 near 0, where it is about x / 2."""
    total = x * 0.0
    for power in range(60, 0, -1):
        total = (total * 0.25 + (1.0 if power == 1 else 1.0 / power)) * (x * 0.5)
    return total


def long_body(sums: Sum) -> tuple[Buffers, Stmts]:
    bias, out = vector(sums, "bias", sums.columns), sums.buffer("out", DType.f32)
    small = apply("min", apply("max", sums.acc, -1.0), 1.0)
    value: Expr = series(small) + Load(bias, sums.column)
    return (bias, out), (Store(out, sums.place, value),)


def long_body_of_distant_numbers(sums: Sum) -> tuple[Buffers, Stmts]:
    apart = vector(sums, "apart", 3 * sums.rows * sums.columns - 2)
    out = sums.buffer("out", DType.f32)
    small = apply("min", apply("max", sums.acc, -1.0), 1.0)
    return (apart, out), (Store(out, sums.place, series(small) + Load(apart, sums.place * 3)),)


def long_body_of_two_results(sums: Sum) -> tuple[Buffers, Stmts]:
    out = sums.buffer("out", DType.f32, 2 * sums.rows * sums.columns)
    total = Local("total", DType.f32)
    return (out,), (
        Let(total, series(apply("min", apply("max", sums.acc, -1.0), 1.0))),
        Store(out, sums.place * 2, total),
        Store(out, sums.place * 2 + 1, -total),
    )


def silu_to_bf16(sums: Sum) -> tuple[Buffers, Stmts]:
    out = sums.buffer("out", DType.bf16)
    value = sums.acc / (apply("exp", -sums.acc) + 1.0)
    return (out,), (Store(out, sums.place, MATH.cast(value, DType.bf16)),)


def gelu(sums: Sum) -> tuple[Buffers, Stmts]:
    out = sums.buffer("out", DType.f32)
    value = (apply("erf", sums.acc * 0.70710677) + 1.0) * (sums.acc * 0.5)
    return (out,), (Store(out, sums.place, value),)


CASES = {
    "bias and relu": Case(bias_relu, lambda x, bias: np.maximum(x + bias, 0)),
    "scale of the row": Case(scale_of_the_row, lambda x, scale: x * scale[:, None], slope=4.0),
    "residual, rounded": Case(residual_to_bf16, lambda x, r: x + r.reshape(x.shape)),
    "transposed": Case(transposed, lambda x: x.T),
    "only some columns": Case(only_some_columns, lambda x: x[:, :20]),
    "a result that is read back": Case(read_back, lambda x, first: x * 1.5, slope=2.0),
    "silu, rounded": Case(silu_to_bf16, lambda x: x / (1 + np.exp(-x)), slope=1.2),
    "a long body": Case(long_body, lambda x, bias: series(np.clip(x, -1, 1)) + bias, slope=2.0),
    "a long body that reads numbers three apart": Case(
        long_body_of_distant_numbers,
        lambda x, apart: series(np.clip(x, -1, 1)) + apart[::3].reshape(x.shape),
        slope=2.0,
    ),
    "a long body whose results lie side by side": Case(
        long_body_of_two_results,
        lambda x: series(np.clip(x, -1, 1))[..., None] * [1.0, -1.0],
        slope=2.0,
    ),
}


@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize("columns", [COLUMNS, 64])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_bodies(target: Target, case: Case, columns: int, edge: Edge) -> None:
    problem = matmul(ROWS, columns, DEPTH, DType.f32, target, body=case.body)
    *extra, out = problem.kernel.params[2:]
    inputs = [draw(buffer.dtype, buffer.size, seed=5) for buffer in extra]
    result = guarded(np.zeros(out.size, out.dtype.numpy), edge)
    arrays = [guarded(x.reshape(-1), edge) for x in (problem.a, problem.b, *inputs)]
    call = load_kernel(problem.kernel, target)
    survives(lambda: call(*arrays, result))
    exact = case.expected(problem.exact, *(x.astype(np.float64) for x in inputs)).reshape(-1)
    rounding = np.finfo(np.float32).eps * 4 if out.dtype is DType.f32 else 2.0**-8
    error = abs(result.astype(np.float64) - exact)
    assert np.all(error <= case.slope * problem.bound.max() + rounding * (abs(exact) + 1))


def test_a_residual_may_be_overwritten_by_the_result() -> None:
    target = RUNNABLE[-1]

    def body(sums: Sum) -> tuple[Buffers, Stmts]:
        residual = sums.buffer("residual", DType.f32, role=Role.input)
        out = sums.buffer("out", DType.f32)
        return (residual, out), (Store(out, sums.place, sums.acc + Load(residual, sums.place)),)

    problem = matmul(ROWS, COLUMNS, DEPTH, DType.f32, target, body=body)
    before = draw(DType.f32, ROWS, COLUMNS, seed=5)
    both = before.copy()
    load_kernel(problem.kernel, target)(problem.a, problem.b, both, both)
    assert np.all(abs(both - before - problem.exact) <= problem.bound + 1e-6)


def test_sums_stay_in_registers_whatever_the_body_needs() -> None:
    target = TARGETS["x86-64-v4"]
    problem = matmul(27, 96, 64, DType.f32, target, body=gelu, tile=Tiling(9, 48, 1))
    lines = listing(problem.kernel, target).splitlines()
    products = [number for number, line in enumerate(lines) if "vfmadd231ps" in line][:27]
    assert not any("(%rsp)" in line for line in lines[products[0] : products[-1]])


@pytest.mark.parametrize(
    ("name", "loads"),
    [
        pytest.param("bias and relu", 2, id="a short body: once per vector of columns"),
        pytest.param("a long body", 1, id="a long body: once"),
    ],
)
def test_a_bias_is_not_read_for_every_row(name: str, loads: int) -> None:
    problem = matmul(28, 64, 64, DType.f32, RUNNABLE[-1], body=CASES[name].body)
    text = emit_kernel(problem.kernel, RUNNABLE[-1], "kernel")
    uses = [line for line in text.splitlines() if "%p2" in line]
    assert len(uses) == 1 + loads
