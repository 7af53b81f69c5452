"""Targets: which there are, and which one this machine is."""

from __future__ import annotations

import pytest

from ncc.backends.cpu.target import TARGETS, resolve
from ncc.diagnostics import ExitCode, NccError

V3, V4, V4_BF16 = (TARGETS[name] for name in ("x86-64-v3", "x86-64-v4", "x86-64-v4+bf16"))

BEST = [target for target in TARGETS.values() if target.machine == "x86_64"][-1]
ARM, ARM_BF16 = TARGETS["aarch64"], TARGETS["aarch64+bf16"]


def test_a_target_is_found_by_its_name() -> None:
    assert resolve("x86-64-v4") is V4
    assert V4.vector_bits == 512


def test_an_unknown_target_is_an_error_with_the_list() -> None:
    with pytest.raises(NccError) as caught:
        resolve("x86-64-v5")
    assert caught.value.exit is ExitCode.USAGE
    listed = f"targets are {', '.join(TARGETS)}, native"
    assert caught.value.details.hint == f"did you mean 'x86-64-v4'? {listed}"


def test_native_is_the_best_target_that_the_host_has_all_flags_of() -> None:
    extra = {"amx_tile", "sse"}
    assert resolve("native", frozenset(BEST.flags) | extra) is BEST
    assert resolve("native", frozenset(V4_BF16.flags) | extra) is V4_BF16
    assert resolve("native", frozenset(V4_BF16.flags) - {"avx512_bf16"}) is V4
    assert resolve("native", frozenset(V4_BF16.flags) - {"avx512vl"}) is V3
    assert resolve("native", frozenset({"fp", "asimd", "crc32"})) is ARM
    assert resolve("native", frozenset({"fp", "asimd", "bf16", "i8mm"})) is ARM_BF16


def test_a_host_below_every_target_is_incompatible() -> None:
    with pytest.raises(NccError, match="it lacks avx2, fma") as caught:
        resolve("native", frozenset(V3.flags) - {"avx2", "fma"})
    assert caught.value.exit is ExitCode.INCOMPATIBLE
