"""The register tile and the order of tiles: what they are, and the limits they keep."""

from __future__ import annotations

import itertools
from functools import partial

import pytest

from ncc.backends.cpu.target import TARGETS, Target
from ncc.backends.cpu.tiles import (
    L2_BYTES,
    OTHERS,
    PART_BYTES,
    UNASKED,
    accumulator_lanes,
    block_tiles,
    choose,
    even_piece,
    panel_parts,
    partial_sums,
    stretches,
)
from ncc.ir.types import DType

V3, V4, BF16 = TARGETS["x86-64-v3"], TARGETS["x86-64-v4"], TARGETS["x86-64-v4+bf16"]
SIZES = [1, 2, 3, 5, 7, 13, 16, 17, 31, 33, 64, 100, 1000]


@pytest.mark.parametrize(
    ("rows", "columns", "k", "target", "tile"),
    [
        pytest.param(56, 64, 576, V4, (14, 32), id="a row of pixels in whole tiles"),
        pytest.param(128, 768, 768, V4, (8, 48), id="no rows left over"),
        pytest.param(7, 512, 4608, V4, (7, 48), id="few rows, wide tile"),
        pytest.param(1, 1000, 2048, V4, (1, 64), id="a matrix by a vector"),
        pytest.param(3136, 16, 64, V4, (28, 16), id="few columns, tall tile"),
        pytest.param(3136, 64, 256, V3, (6, 16), id="sixteen registers"),
        pytest.param(3, 5, 7, V4, (3, 16), id="less than one tile"),
    ],
)
def test_the_tile_suits_the_shape(
    rows: int, columns: int, k: int, target: Target, tile: tuple[int, int]
) -> None:
    assert choose(rows, columns, k, DType.f32, target).shape == tile


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
@pytest.mark.parametrize("dtype", [DType.f32, DType.bf16, DType.f64])
def test_accumulators_b_and_one_a_fit_the_registers(target: Target, dtype: DType) -> None:
    lanes = accumulator_lanes(dtype, target)
    for rows, columns in itertools.product(SIZES, SIZES):
        tile = choose(rows, columns, 64, dtype, target)
        vectors, rest = divmod(tile.columns, lanes)
        assert rest == 0
        assert tile.rows <= rows
        assert tile.rows * vectors + vectors + 1 <= target.registers


def test_pairs_are_taken_only_where_a_product_takes_pairs() -> None:
    assert choose(8, 64, 64, DType.bf16, BF16).kr == 2
    assert choose(8, 64, 64, DType.bf16, V4).kr == 1
    assert choose(8, 64, 64, DType.f32, BF16).kr == 1


def test_packed_weights_fix_the_columns() -> None:
    for rows in SIZES:
        assert choose(rows, 768, 768, DType.f32, V4, nr=32).columns == 32


@pytest.mark.parametrize(
    ("height", "vectors", "steps", "parts"),
    [(14, 2, 64, 1), (1, 4, 64, 2), (3, 1, 64, 4), (1, 1, 64, 8), (1, 1, 3, 2), (1, 1, 1, 1)],
)
def test_short_tiles_split_their_sums(height: int, vectors: int, steps: int, parts: int) -> None:
    assert partial_sums(height, vectors, steps) == parts


@pytest.mark.parametrize(
    ("height", "vectors", "run_bytes", "count"),
    [(1, 4, 1 << 20, 4), (3, 4, 1 << 20, 2), (4, 4, 1 << 20, 1), (1, 4, 96 << 10, 2)],
)
def test_one_tile_reads_long_panels_in_several_streams(
    height: int, vectors: int, run_bytes: int, count: int
) -> None:
    assert stretches(height, vectors, run_bytes, V4) == count


def test_rows_that_stay_in_cache_are_taken_by_every_panel_in_turn() -> None:
    assert block_tiles(16, 16, a_bytes=L2_BYTES // 4, panel_bytes=1 << 17) == 16


def test_rows_that_do_not_stay_in_cache_are_taken_in_blocks_that_do() -> None:
    block = block_tiles(900, 8, a_bytes=4 << 20, panel_bytes=8192)
    assert 1 < block < 900
    assert block * (4 << 20) / 900 <= L2_BYTES


def test_rows_and_a_panel_do_not_fill_the_cache() -> None:
    block = partial(block_tiles, 32, 24, a_bytes=6 << 20, panel_bytes=6 << 15)
    assert (block(l2_bytes=3 << 19), block(l2_bytes=(3 << 19) + 1)) == (6, 7)


def test_weights_beyond_the_cache_are_read_once() -> None:
    assert block_tiles(7, 16, a_bytes=100352, panel_bytes=589824) == 7


@pytest.mark.parametrize(("body_bytes", "block"), [(L2_BYTES, 98), (4 * L2_BYTES, 1)])
def test_results_beyond_the_cache_are_met_in_order(body_bytes: int, block: int) -> None:
    assert block_tiles(98, 8, a_bytes=401408, panel_bytes=4096, body_bytes=body_bytes) == block


def test_panels_that_one_row_tile_would_wait_for_meet_several() -> None:
    block = partial(block_tiles, 56, 4, a_bytes=460800, panel_bytes=147456, others=OTHERS)
    assert (block(), block(unasked=UNASKED)) == (1, 56)


@pytest.mark.parametrize(
    ("row_tiles", "panel_bytes", "parts"),
    [
        pytest.param(16, PART_BYTES, 1, id="short"),
        pytest.param(16, PART_BYTES + 1, 2, id="long"),
        pytest.param(16, 5 * PART_BYTES, 6, id="fewest that suffice"),
        pytest.param(16, 50 * PART_BYTES, 12, id="as many as there can be"),
        pytest.param(1, 5 * PART_BYTES, 1, id="used once"),
    ],
)
def test_long_panels_are_brought_in_parts(row_tiles: int, panel_bytes: int, parts: int) -> None:
    assert panel_parts((1, 2, 3, 6, 12), row_tiles, panel_bytes) == parts


def test_pieces_are_even() -> None:
    assert [even_piece(length, 10) for length in (7, 10, 11, 21, 25)] == [7, 10, 6, 7, 9]


def test_cores_share_the_smaller_operand() -> None:
    """The tiles of the second of two cores start at other rows, or else at another panel."""
    block = partial(block_tiles, l2_bytes=3 << 19)
    rows = {"row_tiles": 28, "panels": 4, "a_bytes": 802816, "panel_bytes": 32768}
    assert (block(**rows), block(**rows, others=OTHERS)) == (28, 14)
    columns = {"row_tiles": 4, "panels": 24, "a_bytes": 196608, "panel_bytes": 49152}
    assert (block(**columns), block(**columns, others=OTHERS)) == (4, 4)
