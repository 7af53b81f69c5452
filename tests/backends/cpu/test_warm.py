"""Weights that many products read in turn are not asked for: they are in the cache."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ncc.backends.cpu.loopir.loops import Contract, walk
from ncc.backends.cpu.plan.warm import TIMES
from ncc.backends.cpu.target import TARGETS, Target
from tests.backends.cpu.device_graphs import assert_runs, calls_of
from tests.machine_code import each_target


def steps(times: int, size: int, turns: int = 1) -> str:
    """A chain of `times` products of a row with each of `turns` square weights in turn."""
    weights = [f'%w{turn} = weight "w{turn}" : f32[{size}, {size}]' for turn in range(turns)]
    nodes = ["%c = constant 0.1 : f32[]", *weights]
    last = "%x"
    for step in range(times * turns):
        nodes += [f"%p{step} = matmul({last}, %w{step % turns})", f"%y{step} = mul(%p{step}, %c)"]
        last = f"%y{step}"
    body = "\n  ".join([*nodes, f"return {last}"])
    return f"graph @g(%x: f32[1, {size}]) {{\n  {body}\n}}"


def warm(text: str, target: str) -> Sequence[bool]:
    """What each contraction says."""
    calls = calls_of(text, TARGETS[target])
    found = [stmt for call in calls for stmt in walk(call.kernel.body)]
    return [stmt.warm for stmt in found if isinstance(stmt, Contract)]


@pytest.mark.parametrize(
    ("text", "plain", "matrix"),
    [
        (steps(TIMES, 64), True, True),
        (steps(TIMES - 1, 64), False, False),
        (steps(TIMES, 600), False, True),
        (steps(TIMES, 64, 8), True, True),
        (steps(TIMES, 400, 3), False, True),
        (steps(TIMES, 400, 8), False, False),
    ],
    ids=["many", "few", "large", "in turn", "large in turn", "too large in turn"],
)
def test_what_is_read_again_before_the_cache_is_full_is_warm(
    text: str, plain: bool, matrix: bool
) -> None:
    assert set(warm(text, "x86-64-v4")) == {plain}
    assert set(warm(text, "x86-64-v4+amx")) == {matrix}


@each_target
def test_it_equals_the_interpreter(target: Target) -> None:
    assert_runs(steps(TIMES, 33, 2), target, 1e-5)
