"""How many cores a segment asks for: none that it would wait for longer than it works."""

from __future__ import annotations

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.plan.sharing import MAX_CORES, worthwhile_cores
from ncc.backends.cpu.target import TARGETS

V3 = TARGETS["x86-64-v3"]


def work(flops: int) -> list[Call]:
    return [Call(Kernel("k", (), (), ()), (), flops=flops)]


def test_more_work_is_for_more_cores_and_more_barriers_for_fewer() -> None:
    counts = [worthwhile_cores(work(10**power), 4, V3) for power in range(4, 15)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, MAX_CORES)
    assert worthwhile_cores(work(10**9), 200, V3) < worthwhile_cores(work(10**9), 2, V3)


def test_the_faster_the_target_the_fewer_cores() -> None:
    names = ("x86-64-v3", "x86-64-v4", "x86-64-v4+bf16", "x86-64-v4+amx")
    counts = [worthwhile_cores(work(10**9), 10, TARGETS[name]) for name in names]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 1


def test_a_segment_without_work_runs_on_one_core() -> None:
    assert worthwhile_cores([], 0, V3) == 1
