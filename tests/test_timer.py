"""Timing versions of a kernel in another process, some of which are broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from ncc.backends.cpu import driver
from ncc.backends.cpu.codegen import compile_kernels, link
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.target import TARGETS
from ncc.backends.tuning import Region, Trial
from ncc.diagnostics import ExitCode, NccError
from ncc.tuning import timer as module
from ncc.tuning.timer import IsolatedTimer
from tests.machine_code import RUNNABLE

(KERNEL,) = parse("""
kernel scale(x: in f32[64], w: in f32[64], y: out f32[64]) {
  vector i < 64 {
    y[i] = x[i] * w[i]
  }
}
""")
CRASH, HANG = b"\x0f\x0b", b"\xeb\xfe"
"""UD2, and a jump to itself."""

ARGUMENTS = (
    driver.Arg(driver.Space.arena, 0),
    driver.Arg(driver.Space.weights, 0),
    driver.Arg(driver.Space.arena, 256),
)

pytestmark = pytest.mark.skipif(
    not any(target.machine == "x86_64" for target in RUNNABLE), reason="breaks code of x86-64"
)


@pytest.fixture
def timer() -> Iterator[IsolatedTimer]:
    made = IsolatedTimer()
    yield made
    made.stop()


def trial(versions: int, broken: dict[int, bytes]) -> Trial:
    """As many equal versions, some of which begin with other instructions."""
    target = RUNNABLE[0]
    calls = [[driver.Call(0, ARGUMENTS)] for _ in range(versions)]
    image = link(compile_kernels([KERNEL], target), calls, target)
    code = bytearray(image.data)
    for version, instructions in broken.items():
        start = image.entries[version]
        code[start : start + len(instructions)] = instructions
    return Trial(
        code=bytes(code),
        run=image.run,
        entries=image.entries,
        arena_nbytes=512,
        weights_nbytes=256,
        arena=(Region(0, "f32", 256), Region(256, "f32", 256)),
        weights=(Region(0, "f32", 256),),
        seconds=0.01,
    )


def survivors(times: Sequence[float | None]) -> list[bool]:
    assert all(time is None or 0 < time < 1 for time in times)
    return [time is not None for time in times]


def test_every_version_has_a_time(timer: IsolatedTimer) -> None:
    assert survivors(timer.times(trial(3, {}))) == [True, True, True]


def test_a_version_that_crashes_has_none_and_harms_no_other(timer: IsolatedTimer) -> None:
    assert survivors(timer.times(trial(3, {1: CRASH}))) == [True, False, True]
    assert survivors(timer.times(trial(2, {}))) == [True, True]


def test_a_version_that_hangs_has_none(
    timer: IsolatedTimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert survivors(timer.times(trial(1, {}))) == [True]
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    assert survivors(timer.times(trial(1, {0: HANG}))) == [False]


def test_operands_of_every_type_can_be_drawn(timer: IsolatedTimer) -> None:
    for dtype in ("bf16", "f16", "f64", "i8", "bool"):
        regions = (Region(0, dtype, 256), Region(256, "f32", 256))
        assert survivors(timer.times(replace(trial(1, {}), arena=regions))) == [True]


def test_kernels_for_another_machine_are_not_measured(timer: IsolatedTimer) -> None:
    target = TARGETS["aarch64"]
    with pytest.raises(NccError, match="aarch64 is not for") as caught:
        timer.require(target.name, target.flags)
    assert (caught.value.code, caught.value.exit) == ("tuning-host", ExitCode.INCOMPATIBLE)
