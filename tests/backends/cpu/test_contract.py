"""Contractions: the right sums for every shape, from nothing but the operands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import Buffer, Load, Stmt, Store
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import Tiling
from ncc.ir.op import Array
from ncc.ir.types import DType
from tests.backends.cpu.contractions import Conv, Problem, Sum, conv, matmul
from tests.guarded import Edge, guarded, survives
from tests.machine_code import RUNNABLE, load_kernel

SIZES = [1, 2, 3, 5, 7, 13, 16, 17, 31, 33, 64, 100]
FLOATS = [
    pytest.param(dtype, target, id=f"{dtype.value}-{target.name}")
    for target, dtype in itertools.product(RUNNABLE, (DType.f32, DType.bf16, DType.f64))
    if dtype is DType.bf16 or not target.has_bf16_dot
]
"""Operand types, and the targets that differ in their code for them."""
FACTORS = [
    *FLOATS,
    *(pytest.param(DType.u8, target, id=f"u8-{target.name}") for target in RUNNABLE),
]


def compute(
    problems: Sequence[Problem], target: Target, *, edge: Edge = Edge.last, cores: int = 1
) -> list[Array]:
    """The results of machine code, whose buffers touch protected pages."""
    calls, results = [], []
    for problem in problems:
        call, out = load_kernel(problem.kernel, target), problem.kernel.params[-1]
        a, b = (guarded(x.reshape(-1), edge) for x in (problem.a, problem.b))
        results.append(guarded(np.full(problem.exact.shape, 77, out.dtype.numpy), edge))
        calls.append(partial(call, a, b, results[-1]))

    def run() -> None:
        for call in calls:
            for core in range(cores):
                call(core=core, cores=cores)

    survives(run)
    return results


def assert_sums(problems: Sequence[Problem], results: Sequence[Array]) -> None:
    for problem, result in zip(problems, results, strict=True):
        error = abs(result - problem.exact)
        assert np.all(error <= problem.bound), f"off by {error.max()} at {result.shape}"


@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize(("dtype", "target"), FACTORS)
def test_matrix_products_of_any_shape(dtype: DType, target: Target, rows: int, edge: Edge) -> None:
    problems = [
        matmul(rows, columns, SIZES[(5 * rows + 7 * column) % len(SIZES)], dtype, target)
        for column, columns in enumerate(SIZES)
        if (SIZES.index(rows) + column) % 4 == list(Edge).index(edge)
    ]
    assert_sums(problems, compute(problems, target, edge=edge))


@pytest.mark.parametrize(("dtype", "target"), FACTORS)
def test_long_panels_that_one_tile_reads(dtype: DType, target: Target) -> None:
    problems = [matmul(rows, 100, 2051, dtype, target) for rows in (1, 2, 3)]
    assert_sums(problems, compute(problems, target))


CONVOLUTIONS = {
    "overlapping rows of taps": Conv((9, 30), 16, 33),
    "odd runs": Conv((9, 16), 3, 64, taps=(3, 5)),
    "stride": Conv((15, 31), 8, 24, stride=2),
    "seven by seven, three channels": Conv((15, 37), 3, 64, taps=(7, 7), stride=2),
    "one by one with stride": Conv((9, 9), 17, 5, taps=(1, 1), stride=2),
    "dilation": Conv((12, 20), 8, 16, dilation=3),
    "groups": Conv((7, 19), 12, 30, groups=3),
    "groups of one channel": Conv((5, 9), 4, 8, groups=4),
    "batch": Conv((5, 11), 4, 20, batch=3),
    "several lines of pixels in a tile": Conv((9, 9), 16, 40),
    "lines of pixels left over": Conv((7, 6), 8, 70, taps=(3, 4), batch=2),
    "taps in a column": Conv((9, 9), 5, 7, taps=(5, 1)),
}


@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize(("dtype", "target"), FACTORS)
def test_convolutions(dtype: DType, target: Target, edge: Edge) -> None:
    problems = [conv(shape, dtype, target) for shape in CONVOLUTIONS.values()]
    assert_sums(problems, compute(problems, target, edge=edge))


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("dtype", [DType.i8, DType.i32])
def test_integer_sums_are_exact(dtype: DType, target: Target) -> None:
    problems = [matmul(7, 33, 19, dtype, target), conv(Conv((6, 9), 3, 5), dtype, target)]
    assert_sums(problems, compute(problems, target))


@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.f64, DType.i8, DType.u8])
def test_the_interpreter_of_loops_agrees(dtype: DType) -> None:
    target = RUNNABLE[-1]
    problems = [matmul(5, 18, 7, dtype, target), conv(Conv((4, 6), 3, 17), dtype, target)]
    results = []
    for problem in problems:
        results.append(np.zeros(problem.exact.shape, problem.kernel.params[-1].dtype.numpy))
        run_loops(problem.kernel, [problem.a, problem.b, results[-1]])
    assert_sums(problems, results)
    assert_sums(problems, compute(problems, target))


@pytest.mark.parametrize("place", [(0, 0), (2, 4), (4, 10)], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(("dtype", "target"), FLOATS)
def test_what_is_not_finite_stays_in_its_row(
    dtype: DType, target: Target, value: float, place: tuple[int, int]
) -> None:
    problem = matmul(5, 18, 11, dtype, target)
    problem.a[place] = value
    (result,) = compute([problem], target)
    row = place[0]
    assert not np.isfinite(result[row]).any()
    assert np.isnan(result[row]).all() == np.isnan(value)
    error = abs(result - problem.exact)
    assert np.all(np.delete(error <= problem.bound, row, axis=0))


def accumulate(sums: Sum) -> tuple[tuple[Buffer, ...], tuple[Stmt, ...]]:
    """The body that adds the sums to what is there: it shows a tile that is computed twice."""
    out = sums.buffer("out", sums.acc.dtype)
    return (out,), (Store(out, sums.place, Load(out, sums.place) + sums.acc),)


@pytest.mark.parametrize(
    ("rows", "columns", "tile"),
    [
        pytest.param(100, 100, None, id="several tiles each"),
        pytest.param(3, 17, None, id="fewer tiles than cores"),
        pytest.param(33, 130, Tiling(4, 16, 1), id="many tiles"),
    ],
)
def test_every_tile_is_computed_by_one_core_whatever_their_number(
    rows: int, columns: int, tile: Tiling | None
) -> None:
    target = RUNNABLE[-1]
    problem = matmul(
        rows, columns, 31, DType.f32, target, tile=tile, body=accumulate, parallel=True
    )
    alone, *shared = (compute([problem], target, cores=cores)[0] for cores in (1, 2, 3, 7))
    for result in shared:
        np.testing.assert_array_equal(result, alone)
    assert np.all(abs(alone - 77 - problem.exact) <= problem.bound + 2 * np.spacing(alone))
