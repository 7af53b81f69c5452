"""The order of a contraction's tiles: any gives the sums of the one that the cost model takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ncc.backends.cpu.emit.contraction.contract import tiles_of
from ncc.backends.cpu.emit.function import FunctionEmitter
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.loopir.loops import Contract, For, TileOrder, walk
from ncc.backends.cpu.target import TARGETS, Target
from ncc.ir.types import DType
from tests.backends.cpu.contractions import Conv, Problem, conv, matmul
from tests.backends.cpu.test_contract import compute
from tests.machine_code import RUNNABLE

MATRIX = TARGETS["x86-64-v4+amx"]


def ordered(problem: Problem, order: TileOrder) -> Problem:
    (stmt,) = problem.kernel.body
    if isinstance(stmt, For):
        (contract,) = stmt.body
        assert isinstance(contract, Contract)
        stmt = replace(stmt, body=(replace(contract, order=order),))
    else:
        assert isinstance(stmt, Contract)
        stmt = replace(stmt, order=order)
    return replace(problem, kernel=replace(problem.kernel, body=(stmt,)))


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16])
def test_blocks_of_any_size_give_the_same_sums(dtype: DType, target: Target) -> None:
    problem = matmul(150, 100, 40, dtype, target, parallel=True)
    (expected,) = compute([problem], target)
    for block in (1, 2, 3, 5, 1000):
        for cores in (1, 2):
            (found,) = compute([ordered(problem, TileOrder(block, 1))], target, cores=cores)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(MATRIX not in RUNNABLE, reason="no matrix registers here")
@pytest.mark.parametrize("depth", [pytest.param(768, id="whole"), pytest.param(789, id="rest")])
def test_runs_cut_into_any_parts_give_the_same_sums(depth: int) -> None:
    problem = matmul(150, 50, depth, DType.bf16, MATRIX, parallel=True)
    expected, *others = (
        compute([ordered(problem, TileOrder(2, parts))], MATRIX)[0] for parts in (1, 2, 3, 6)
    )
    for found in others:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_parts_of_sums_in_vectors_add_up_on_any_number_of_cores(target: Target) -> None:
    problem = matmul(150, 50, 768, DType.f32, target, parallel=True)
    for order in (TileOrder(1, 2), TileOrder(3, 3), TileOrder(1000, 6)):
        first, second = (
            compute([ordered(problem, order)], target, cores=cores)[0] for cores in (1, 2)
        )
        np.testing.assert_array_equal(first, second)
        assert (abs(first - problem.exact) <= problem.bound).all()


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize(
    ("shape", "cuts"),
    [
        pytest.param(Conv((16, 12), 43, 40), (3,), id="lines of taps"),
        pytest.param(Conv((16, 12), 256, 40), (3, 6, 18), id="parts of lines"),
        pytest.param(Conv((16, 12), 5, 40, dilation=2), (3, 9), id="lines, then taps"),
    ],
)
def test_taps_are_parts(shape: Conv, cuts: tuple[int, ...], target: Target) -> None:
    problem = conv(shape, DType.f32, target)
    for parts in cuts:
        (found,) = compute([ordered(problem, TileOrder(4, parts))], target)
        assert (abs(found - problem.exact) <= problem.bound).all()


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("parts", [1, 2])
def test_results_that_are_far_are_asked_for_before_their_sums(parts: int, target: Target) -> None:
    problem = ordered(matmul(300, 400, 256, DType.f32, target), TileOrder(10, parts))
    near = ordered(matmul(30, 400, 256, DType.f32, target), TileOrder(10, parts))
    asked, less = (
        emit_kernel(x.kernel, target, "kernel").count("@llvm.prefetch.p0(") for x in (problem, near)
    )
    assert asked > less
    (found,) = compute([problem], target)
    assert (abs(found - problem.exact) <= problem.bound).all()


def test_rows_that_are_passed_over_do_not_count() -> None:
    target = TARGETS["x86-64-v4"]
    dense, wide = (
        conv(Conv((7 * stride, 7 * stride), 1024, 512, (1, 1), stride), DType.f32, target)
        for stride in (1, 2)
    )
    assert order_of(wide, target) == order_of(dense, target)


def order_of(problem: Problem, target: Target) -> TileOrder:
    """The order of tiles that the cost model takes."""
    (stmt,) = (stmt for stmt in walk(problem.kernel.body) if isinstance(stmt, Contract))
    return tiles_of(FunctionEmitter(problem.kernel, target), stmt).order


def test_a_run_is_cut_into_equal_parts_alone() -> None:
    problem = ordered(matmul(64, 32, 768, DType.bf16, MATRIX), TileOrder(1, 5))
    with pytest.raises(AssertionError, match="no equal parts: 5 of 24 steps"):
        emit_kernel(problem.kernel, MATRIX, "kernel")
