"""Contractions in matrix registers: the same sums, and how rows and runs are cut for them."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.matrix import matrix_depth, matrix_rows, run_parts
from ncc.backends.cpu.target import TARGETS
from ncc.ir.types import DType
from tests.backends.cpu.contractions import Conv, conv, matmul
from tests.backends.cpu.test_contract import accumulate, assert_sums, compute
from tests.guarded import Edge
from tests.machine_code import RUNNABLE

MATRIX = TARGETS["x86-64-v4+amx"]
runs = pytest.mark.skipif(MATRIX not in RUNNABLE, reason="no matrix registers here")


INSTRUCTIONS = {DType.bf16: "tdpbf16ps", DType.u8: "tdpbusd"}


@runs
@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize("rows", [2, 5, 16, 17, 31, 32, 33, 64, 100, 197])
@pytest.mark.parametrize("dtype", INSTRUCTIONS, ids=lambda dtype: dtype.value)
def test_matrix_products_of_any_shape(dtype: DType, rows: int, edge: Edge) -> None:
    problems = [
        matmul(rows, columns, depth, dtype, MATRIX)
        for columns, depth in [
            (1, 32),
            (16, 8),
            (17, 256),
            (33, 48),
            (64, 100),
            (100, 64),
            (50, 197),
            (9, 74),
        ]
    ]
    assert_sums(problems, compute(problems, MATRIX, edge=edge))


CONVOLUTIONS = {
    "overlapping rows of taps": Conv((9, 30), 16, 33),
    "several lines of pixels in a tile": Conv((9, 9), 16, 40),
    "lines of pixels left over": Conv((7, 6), 8, 70, taps=(3, 4), batch=2),
    "stride": Conv((15, 31), 8, 24, stride=2),
    "dilation": Conv((12, 20), 16, 16, dilation=3),
    "a run that does not fill steps": Conv((9, 30), 47, 33),
    "the same with several lines in a tile": Conv((9, 9), 47, 33),
    "groups": Conv((7, 19), 48, 30, groups=3),
}


@runs
@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize("shape", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("dtype", INSTRUCTIONS, ids=lambda dtype: dtype.value)
def test_convolutions(dtype: DType, shape: Conv, edge: Edge) -> None:
    problem = conv(shape, dtype, MATRIX)
    assert INSTRUCTIONS[dtype] in emit_kernel(problem.kernel, MATRIX, "kernel")
    assert_sums([problem], compute([problem], MATRIX, edge=edge))


@runs
@pytest.mark.parametrize("rows", [pytest.param(250, id="few"), pytest.param(1100, id="many")])
@pytest.mark.parametrize("depth", [pytest.param(768, id="whole"), pytest.param(1061, id="rest")])
def test_long_runs_are_taken_in_parts_for_several_tiles(depth: int, rows: int) -> None:
    problem = matmul(rows, 50, depth, DType.bf16, MATRIX, parallel=True)
    alone, *shared = (compute([problem], MATRIX, cores=cores)[0] for cores in (1, 2, 3))
    assert_sums([problem], [alone])
    for result in shared:
        np.testing.assert_array_equal(result, alone)


@pytest.mark.parametrize(
    ("steps", "tiles", "parts"),
    [
        pytest.param(24, 4, 3, id="a third of a panel at a time"),
        pytest.param(96, 7, 12, id="more parts"),
        pytest.param(16, 7, None, id="short"),
        pytest.param(24, 3, None, id="few tiles"),
        pytest.param(37, 9, None, id="no equal parts"),
    ],
)
def test_parts_of_a_run_stay_in_the_cache(steps: int, tiles: int, parts: int | None) -> None:
    assert run_parts(steps, tiles) == parts


@runs
def test_rows_that_are_computed_twice_are_finished_once() -> None:
    problem = matmul(41, 50, 32, DType.bf16, MATRIX, body=accumulate, parallel=True)
    alone, *shared = (compute([problem], MATRIX, cores=cores)[0] for cores in (1, 2, 3))
    for result in shared:
        np.testing.assert_array_equal(result, alone)
    assert np.all(abs(alone - 77 - problem.exact) <= problem.bound + 2 * np.spacing(alone))


@pytest.mark.parametrize(
    ("rows", "depth"),
    [pytest.param(1, 64, id="one row"), pytest.param(64, 21, id="an odd run")],
)
def test_what_does_not_fill_matrix_registers_stays_in_vectors(rows: int, depth: int) -> None:
    text = emit_kernel(matmul(rows, 32, depth, DType.bf16, MATRIX).kernel, MATRIX, "kernel")
    assert "dpbf16ps.512" in text
    assert "tdpbf16ps" not in text


WHOLE_STEPS = {64: 32, 48: 24, 100: 20, 112: 28, 16: 16}
CUT_STEPS = {197: 32, 74: 32, 136: 32}
NO_STEPS = {21: None, 34: None, 6: None}


@pytest.mark.parametrize(("run", "depth"), (WHOLE_STEPS | CUT_STEPS | NO_STEPS).items())
def test_steps_along_a_run_are_alike(run: int, depth: int | None) -> None:
    assert matrix_depth(run, kr=2) == depth


@pytest.mark.parametrize(("run", "depth"), [(128, 64), (96, 48), (147, 64), (126, None)])
def test_steps_of_bytes_hold_twice_as_many(run: int, depth: int | None) -> None:
    assert matrix_depth(run, kr=4) == depth


@pytest.mark.parametrize(
    ("rows", "outer", "split"),
    [
        pytest.param(128, 1, (16, 16), id="whole registers"),
        pytest.param(196, 1, (16, 12), id="no row computed twice"),
        pytest.param(197, 1, (16, 13), id="few rows computed twice"),
        pytest.param(56, 56, (16, 12), id="a line of pixels in parts"),
        pytest.param(7, 7, (7, 7), id="two lines of pixels"),
        pytest.param(13, 1, (13, 0), id="one register"),
        pytest.param(1, 1, None, id="a matrix by a vector"),
    ],
)
def test_rows_are_split_over_two_registers(
    rows: int, outer: int, split: tuple[int, int] | None
) -> None:
    assert matrix_rows(rows, outer) == split
