"""What a tile asks for early: all of what comes next, and no more than a few lines a step."""

from __future__ import annotations

import pytest

from ncc.backends.cpu.emit.contract_ahead import SOON, Ahead, panels_ahead, rows_ahead
from ncc.backends.cpu.emit.contract_walk import Stream
from ncc.backends.cpu.tiles import L2_BYTES, LINE


def asked(ahead: Ahead, steps: int, turns: int) -> set[int]:
    """The lines that `turns` tiles ask for, counted from where the operand's stream starts."""
    return {
        (ahead.distance + turn % ahead.turns * ahead.shift + step * ahead.stream.step) // LINE
        + line
        for turn in range(turns)
        for step in range(steps)
        for line in range(ahead.stream.lines)
    }


@pytest.mark.parametrize("row_tiles", [2, 3, 4, 5, 50])
@pytest.mark.parametrize("step", [64, 128, 192, 256])
def test_the_tiles_of_one_panel_ask_for_all_of_the_next(step: int, row_tiles: int) -> None:
    steps = 100
    ahead = panels_ahead(Stream((), step), steps * step, panels=8, row_tiles=row_tiles)
    next_panel = set(range(steps * step // LINE, 2 * steps * step // LINE))
    assert asked(ahead, steps, row_tiles) >= next_panel
    assert ahead.stream.lines * min(row_tiles, 2) <= step // LINE + 1


@pytest.mark.parametrize(
    ("panel_bytes", "panels", "row_tiles"),
    [
        pytest.param(1 << 16, 8, 1, id="used once"),
        pytest.param(1 << 16, 1, 9, id="the only one"),
        pytest.param(L2_BYTES, 8, 9, id="too large to wait"),
    ],
)
def test_a_panel_that_cannot_be_read_before_its_turn_is_read_a_little_ahead(
    panel_bytes: int, panels: int, row_tiles: int
) -> None:
    ahead = panels_ahead(Stream((), 128), panel_bytes, panels, row_tiles)
    assert asked(ahead, 10, 1) == set(range(SOON // LINE, SOON // LINE + 20))


def test_rows_beyond_the_cache_are_asked_for_while_those_before_are_used() -> None:
    tile_bytes, steps = 14 * 256, 64
    ahead = rows_ahead(Stream((), 4), tile_bytes, steps, a_bytes=2 * L2_BYTES)
    assert ahead is not None
    assert asked(ahead, steps, 1) >= set(range(tile_bytes // LINE, 2 * tile_bytes // LINE))


def test_rows_that_stay_in_the_cache_are_not_asked_for() -> None:
    assert rows_ahead(Stream((), 4), 14 * 256, 64, a_bytes=L2_BYTES) is None
