"""What a tile asks for early: all of what comes next, and no more than a few lines a step."""

from __future__ import annotations

import itertools
import math

import pytest

from ncc.backends.cpu.emit.contraction.ahead import (
    SOON,
    Ahead,
    Panels,
    panels_ahead,
    panels_in_order,
    rows_ahead,
)
from ncc.backends.cpu.emit.contraction.walk import Stream, Walk
from ncc.backends.cpu.tiles import L2_BYTES, LINE


def asked(ahead: Ahead | None, steps: int, turns: int, unrolled: int = 1) -> set[int]:
    """The lines that `turns` tiles ask for, counted from where the operand's stream starts."""
    assert ahead is not None
    return {
        (ahead.distance + turn % ahead.turns * ahead.shift + step * ahead.stream.step) // LINE
        + line
        for turn in range(turns)
        for step in range(0, steps, unrolled)
        for line in range(ahead.stream.lines)
    }


@pytest.mark.parametrize("unrolled", [1, 4])
@pytest.mark.parametrize("tiles", [2, 3, 4, 5, 50])
@pytest.mark.parametrize("step", [64, 128, 192, 256])
def test_the_tiles_of_one_panel_ask_for_all_of_the_next(
    step: int, tiles: int, unrolled: int
) -> None:
    steps = 100
    panels = Panels(count=8, nbytes=steps * step, tiles=tiles, passes=1)
    ahead = panels_ahead(Stream((), step), panels, unrolled)
    assert ahead is not None
    next_panel = set(range(steps * step // LINE, 2 * steps * step // LINE))
    assert asked(ahead, steps, tiles, unrolled) >= next_panel
    assert ahead.stream.lines * min(tiles, 2) <= unrolled * step // LINE + 1


@pytest.mark.parametrize("unrolled", [1, 4])
@pytest.mark.parametrize("tiles", [2, 3, 5, 50])
@pytest.mark.parametrize("axes", [(), (3,), (2, 3)])
def test_the_tiles_of_one_panel_ask_for_the_next_line_by_line(
    axes: tuple[int, ...], tiles: int, unrolled: int
) -> None:
    steps, step = 22, 192
    strides = tuple(steps * step * math.prod(axes[axis + 1 :]) for axis in range(len(axes)))
    nbytes = steps * step * math.prod(axes)
    walk = Walk(axes, steps, (Stream(strides, 4), Stream(strides, step)), unrolled)
    ahead = panels_in_order(walk, Panels(count=8, nbytes=nbytes, tiles=tiles, passes=1))
    assert ahead is not None
    places = [
        sum(stride * index for stride, index in zip(ahead.stream.axes, at, strict=True))
        + round * unrolled * ahead.stream.step
        for at in itertools.product(*map(range, axes))
        for round in range(steps // unrolled)
    ]
    size = ahead.stream.lines * LINE
    assert places == list(range(0, len(places) * size, size))
    assert ahead.shift == len(places) * size
    assert ahead.distance == nbytes <= ahead.turns * ahead.shift
    assert ahead.turns <= tiles


@pytest.mark.parametrize(
    "panels",
    [
        pytest.param(Panels(count=8, nbytes=1 << 16, tiles=1, passes=1), id="used once"),
        pytest.param(Panels(count=1, nbytes=1 << 16, tiles=9, passes=1), id="the only one, soon"),
        pytest.param(Panels(count=8, nbytes=L2_BYTES, tiles=9, passes=1), id="too large to wait"),
        pytest.param(Panels(count=99, nbytes=1 << 16, tiles=1, passes=9), id="all are too large"),
    ],
)
def test_a_panel_that_cannot_be_read_before_its_turn_is_read_a_little_ahead(
    panels: Panels,
) -> None:
    ahead = panels_ahead(Stream((), 128), panels, unrolled=1)
    assert asked(ahead, 10, 1) == set(range(SOON // LINE, SOON // LINE + 20))


@pytest.mark.parametrize(
    "panels",
    [
        pytest.param(Panels(count=8, nbytes=1 << 16, tiles=1, passes=9), id="again and again"),
        pytest.param(Panels(count=1, nbytes=1 << 16, tiles=99, passes=1), id="the only one"),
    ],
)
def test_panels_that_stay_in_the_cache_are_not_asked_for(panels: Panels) -> None:
    assert panels_ahead(Stream((), 128), panels, unrolled=4) is None


@pytest.mark.parametrize("unrolled", [1, 4])
def test_rows_beyond_the_cache_are_asked_for_while_those_before_are_used(unrolled: int) -> None:
    tile_bytes, steps = 14 * 256, 64
    ahead = rows_ahead(Stream((), 4), tile_bytes, steps // unrolled, unrolled, a_bytes=2 * L2_BYTES)
    next_rows = set(range(tile_bytes // LINE, 2 * tile_bytes // LINE))
    assert asked(ahead, steps, 1, unrolled) >= next_rows


def test_rows_that_stay_in_the_cache_are_not_asked_for() -> None:
    assert rows_ahead(Stream((), 4), 14 * 256, 64, 1, a_bytes=L2_BYTES) is None
