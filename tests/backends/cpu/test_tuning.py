"""Choices in contractions: what they are about, which there are, and how the search picks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ncc.backends.cpu.kernels.packing import by_cost
from ncc.backends.cpu.loopir.loops import TileOrder
from ncc.backends.cpu.target import TARGETS, Target
from ncc.backends.cpu.tuning.candidates import STAGES
from ncc.backends.cpu.tuning.decide import decide
from ncc.backends.cpu.tuning.schedule import Schedule, present, read_schedule, scheduled
from ncc.backends.cpu.tuning.search import Search, Task
from ncc.backends.cpu.tuning.versions import Versions
from ncc.backends.tuning import Entries, Entry, Tuning
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.interpret import interpret
from ncc.ir.text.parser import parse
from ncc.options import Level
from tests.backends.cpu.device_graphs import prepared
from tests.fake_timer import FakeTimer, Times, all_crash, first_is_fastest, last_is_fastest
from tests.guarded import Edge
from tests.machine_code import each_target
from tests.suite.engines import MachineCode
from tests.text_cases import random_inputs

V4 = TARGETS["x86-64-v4"]

PRODUCT = """
graph @g(%x: f32[100, 64]) {
  %0 = weight "w" : f32[64, 70]
  %1 = matmul(%x, %0)
  %2 = relu(%1)
  return %2
}
"""
LAYERS = """
graph @g(%x: f32[1, 16, 14, 15], %y: f32[31, 50], %z: f32[50, 40]) {
  %0 = weight "a" : f32[40, 16, 3, 3]
  %1 = conv(%x, %0) {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1]}
  %2 = relu(%1)
  %3 = weight "b" : f32[33, 40, 1, 1]
  %4 = conv(%2, %3) {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1]}
  %5 = matmul(%y, %z)
  %6 = weight "c" : f32[40, 600]
  %7 = matmul(%5, %6)
  return %4, %7
}
"""


def versions(text: str, target: Target) -> Versions:
    return Versions([prepared(text)], target, by_cost)


def only(found: Versions) -> str:
    (key,) = found.calls
    return key


def tasks(found: Versions, flops: Mapping[str, int] | None = None) -> list[Task]:
    return [
        Task(key, calls[0], found.variants(key), (flops or {}).get(key, calls[0].flops))
        for key, calls in found.calls.items()
    ]


def test_a_key_is_of_what_is_computed_and_not_of_how() -> None:
    found = versions(PRODUCT, V4)
    key = only(found)
    variants = found.variants(key)
    assert sorted(variants) == [16, 32, 48, 64]
    for width, variant in variants.items():
        first = present(variant, V4)
        kernel = scheduled(variant, Schedule(first.rows, width, TileOrder(3, 1)), V4)
        assert kernel is not None
        assert variant.key == key
    assert only(versions(PRODUCT.replace('"w"', '"v"'), V4)) == key
    assert only(versions(PRODUCT.replace("relu", "neg"), V4)) != key
    assert only(versions(PRODUCT.replace("70", "71"), V4)) != key
    assert only(versions(PRODUCT.replace("f32", "f64"), V4)) != key


def test_a_kernel_is_named_by_its_shape() -> None:
    found = versions(PRODUCT, V4)
    assert str(found.subject(only(found))) == "f32 100 x 70 over 64"


def test_operands_that_are_computed_keep_their_panels() -> None:
    found = versions(LAYERS, V4)
    computed = [key for key in found.calls if str(found.subject(key)) == "f32 31 x 40 over 50"]
    assert [len(found.variants(key)) for key in computed] == [1]


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_kernels_can_have_every_schedule_that_is_tried(target: Target, dtype: str) -> None:
    found = versions(LAYERS.replace("f32", dtype), target)
    for key in found.calls:
        variants = found.variants(key)
        first = present(found.subject(key), target)
        assert found.allow(key, first)
        for stage in STAGES:
            others = stage(variants, first, target)
            assert first not in others
            assert all(found.allow(key, other) for other in others)


def test_schedules_are_read_as_they_were_written() -> None:
    schedule = Schedule(14, 32, TileOrder(7, 2))
    assert read_schedule(schedule.numbers) == schedule
    assert read_schedule({"rows": 14, "columns": 32}) is None
    assert read_schedule({**schedule.numbers, "depth": 2}) is None


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(Schedule(99, 32, TileOrder(1, 1)), id="more rows than registers hold"),
        pytest.param(Schedule(8, 24, TileOrder(1, 1)), id="no whole vectors"),
        pytest.param(Schedule(8, 128, TileOrder(1, 1)), id="wider than the product"),
        pytest.param(Schedule(8, 32, TileOrder(1, 2)), id="parts without matrix registers"),
    ],
)
def test_kernels_cannot_have_any_schedule(schedule: Schedule) -> None:
    found = versions(PRODUCT, V4)
    assert not found.allow(only(found), schedule)


SMALL = versions(PRODUCT, V4)
(KEY,) = SMALL.calls
BY_MODEL = present(SMALL.subject(KEY), V4)


def search(times: Times, budget: float = 100.0) -> Schedule | None:
    """What is chosen for the one product of `PRODUCT`."""
    return dict(Search(V4, FakeTimer(times), budget).run(tasks(SMALL))).get(KEY)


def test_the_fastest_is_taken() -> None:
    chosen = search(last_is_fastest)
    assert chosen is not None
    assert chosen != BY_MODEL
    assert SMALL.allow(KEY, chosen)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(first_is_fastest, id="nothing is faster"),
        pytest.param(lambda count: [1.0, *[None] * (count - 1)], id="every other one crashes"),
        pytest.param(lambda count: [1.0, *[0.99] * (count - 1)], id="a small gain"),
    ],
)
def test_the_cost_models_schedule_stays(times: Times) -> None:
    assert search(times) == BY_MODEL


def test_a_version_takes_the_place_of_one_that_crashes() -> None:
    assert search(lambda count: [None, *[1.0] * (count - 1)]) not in {None, BY_MODEL}


def test_nothing_is_chosen_without_a_measurement() -> None:
    assert search(last_is_fastest, budget=0.0) is None
    assert search(all_crash) is None


def test_time_goes_to_the_kernels_with_most_to_do() -> None:
    found = versions(LAYERS, V4)
    large, *others = found.calls
    flops = dict.fromkeys(others, 1) | {large: 1_000_000}
    timer = FakeTimer(first_is_fastest, each=0.1)
    assert list(dict(Search(V4, timer, 1.0).run(tasks(found, flops)))) == [large]


def any_entries(found: Versions, seed: int = 0) -> Entries:
    """Some schedule for every kernel, each step of it as good as any other."""
    rng = np.random.default_rng(seed)
    chosen = {}
    for key in found.calls:
        variants = found.variants(key)
        schedule = present(found.subject(key), found.target)
        for stage in STAGES:
            others = [schedule, *stage(variants, schedule, found.target)]
            schedule = others[rng.integers(len(others))]
        chosen[key] = Entry(str(found.subject(key)), schedule.numbers)
    return chosen


@each_target
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_results_are_right_whatever_is_chosen(target: Target, dtype: str) -> None:
    text = LAYERS.replace("f32", dtype)
    body = prepared(text)
    inputs = random_inputs(body)
    wanted = interpret(parse(text), inputs)
    entries = any_entries(versions(text, target))
    tolerance = 1e-5 if dtype == "f32" else 2.0**-7
    for tuning in (Tuning(entries=entries, strict=True), Tuning(level=Level.O1)):
        code = MachineCode(body, target, tuning)
        for cores in (1, 2):
            found = code.run(inputs, Edge.last, cores)
            for ours, theirs in zip(found, wanted, strict=True):
                left, right = (np.asarray(x, np.float64) for x in (ours, theirs))
                np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * abs(right).max())


def test_entries_that_a_kernel_cannot_have_are_missing() -> None:
    found = versions(PRODUCT, V4)
    numbers = {"rows": 99, "columns": 32, "block": 1, "parts": 1}
    tuning = Tuning(entries={only(found): Entry("k", numbers)})
    decided = decide([prepared(PRODUCT)], V4, tuning)
    assert decided.tuned.missed == ("f32 100 x 70 over 64",)
    assert not decided.schedules


def test_a_missing_entry_may_be_an_error() -> None:
    with pytest.raises(NccError) as caught:
        decide([prepared(LAYERS)], V4, Tuning(entries={}, strict=True))
    assert (caught.value.code, caught.value.exit) == ("tuning-miss", ExitCode.USAGE)
    assert caught.value.message.endswith("and 1 more")


def test_what_is_known_is_not_measured() -> None:
    entries = any_entries(versions(LAYERS, V4))
    timer = FakeTimer(all_crash)
    tuning = Tuning(level=Level.O3, entries=entries, timer=timer, budget=100.0)
    assert decide([prepared(LAYERS)], V4, tuning).tuned.entries == entries
    assert timer.trials == []
