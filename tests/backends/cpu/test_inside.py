"""Convolutions in parts that do not multiply padding, against what the whole means."""

from __future__ import annotations

import pytest

from ncc.backends.cpu.target import Target
from tests.backends.cpu.device_graphs import assert_runs, calls_of
from tests.machine_code import RUNNABLE, each_target

BEST = RUNNABLE[-1]


def conv(x: str, w: str, result: str, attributes: str, dtype: str = "f32") -> str:
    """A convolution with what may follow: a bias, and a shortcut of the shape `result`."""
    rank = result.count(",") - 1
    bias = f"f32[{w.split(',')[0]}, {', '.join(['1'] * rank)}]"
    kept = "" if dtype == "f32" else ", result = f32"
    return f"""
graph @g(%x: {dtype}[{x}], %w: {dtype}[{w}], %b: {bias}, %y: f32[{result}]) {{
  %0 = conv(%x, %w) {{{attributes}{kept}}}
  %1 = add(%0, %b)
  %2 = relu(%1)
  %3 = add(%2, %y)
  return %3
}}"""


FAR = "strides = [1, 1], low = [14, 14], high = [14, 14], dilations = [14, 14]"
NEAR = "strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1]"
VIDEO = "strides = [1, 2, 2], low = [1, 1, 1], high = [1, 1, 1], dilations = [1, 1, 1]"
PAST = "strides = [1], low = [700], high = [0], dilations = [700]"
GROUPS = "strides = [2, 1], low = [9, 8], high = [6, 8], dilations = [5, 8], groups = 2"
CASES = {
    "far taps": (conv("1, 96, 20, 31", "64, 96, 3, 3", "1, 64, 20, 31", FAR), 9),
    "narrow": (conv("1, 96, 20, 31", "64, 96, 3, 3", "1, 64, 20, 31", FAR, "bf16"), 3),
    "two frames": (conv("2, 32, 2, 23, 22", "40, 32, 3, 3, 3", "2, 40, 2, 12, 11", VIDEO), 2),
    "the past": (conv("1, 80, 1500", "72, 80, 2", "1, 72, 1500", PAST), 2),
    "groups": (conv("3, 64, 27, 23", "66, 32, 4, 3", "3, 66, 14, 23", GROUPS), 3),
}


@each_target
@pytest.mark.parametrize("text", [text for text, _ in CASES.values()], ids=CASES)
def test_parts_are_the_whole(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=1e-5)


@pytest.mark.parametrize(("text", "parts"), CASES.values(), ids=CASES)
def test_no_part_multiplies_what_is_padding(text: str, parts: int) -> None:
    products = [call for call in calls_of(text, BEST) if call.flops]
    assert len(products) == parts


def test_a_padded_image_is_multiplied_at_once() -> None:
    text = conv("1, 64, 28, 28", "64, 64, 3, 3", "1, 64, 28, 28", NEAR)
    assert sum(call.flops > 0 for call in calls_of(text, BEST)) == 1
