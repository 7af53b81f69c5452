"""Rows in halves: every tile is of one core, however many there are, and where it pays."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.emit.contraction.grid import Grid
from ncc.backends.cpu.emit.contraction.halves import halves_pay
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.loopir.loops import TileOrder
from ncc.backends.cpu.target import TARGETS
from ncc.backends.cpu.tiles import Pieces
from ncc.ir.types import DType
from tests.backends.cpu.contractions import matmul
from tests.backends.cpu.test_contract import compute
from tests.backends.cpu.test_contract_order import ordered
from tests.machine_code import RUNNABLE

MATRIX = TARGETS["x86-64-v4+amx"]
ODD = "trunc i64 %cores to i1"
"""What a kernel asks that has halves."""


@pytest.mark.skipif(MATRIX not in RUNNABLE, reason="no matrix registers here")
@pytest.mark.parametrize("rows", [128, 196], ids=["even", "with a middle"])
@pytest.mark.parametrize("columns", [64, 200])
def test_any_number_of_cores_computes_every_tile(rows: int, columns: int) -> None:
    by_panels = TileOrder(1000, 1)
    problem = ordered(matmul(rows, columns, 128, DType.bf16, MATRIX, parallel=True), by_panels)
    assert ODD in emit_kernel(problem.kernel, MATRIX, "kernel")
    expected, *others = (
        compute([problem], MATRIX, cores=cores)[0] for cores in (1, 2, 3, 4, 6, 64)
    )
    assert (abs(expected - problem.exact) <= problem.bound).all()
    for found in others:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("block", "b_bytes", "pays"),
    [
        pytest.param(8, 150_000, True, id="rows outweigh the weights"),
        pytest.param(8, 200_000, False, id="weights outweigh the rows"),
        pytest.param(4, 150_000, False, id="rows are in blocks already"),
    ],
)
def test_halves_pay_where(block: int, b_bytes: int, pays: bool) -> None:
    grid = Grid((), Pieces(256, 32), Pieces(256, 32), block)
    assert halves_pay(grid, b_bytes, exchanged=100_000, l2_bytes=1 << 20) is pays


def test_few_row_tiles_stay_together() -> None:
    grid = Grid((), Pieces(96, 32), Pieces(256, 32), 3)
    assert not halves_pay(grid, 1_000, exchanged=100_000, l2_bytes=1 << 20)


def test_weights_that_fill_the_cache_are_read_by_one_core() -> None:
    grid = Grid((), Pieces(256, 32), Pieces(256, 32), 8)
    assert not halves_pay(grid, 600_000, exchanged=1_000_000, l2_bytes=1 << 20)
