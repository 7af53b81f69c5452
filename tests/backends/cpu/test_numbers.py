"""Numbers stand in code until there are too many: then the rest are read from memory."""

from __future__ import annotations

from ncc.backends.cpu.numbers import MAX_HELD
from ncc.ir.ops.fused import Fused
from tests.backends.cpu.device_graphs import assert_runs, calls_of, prepared
from tests.machine_code import RUNNABLE

TARGET = RUNNABLE[-1]


def scaled(count: int) -> str:
    """Products of one input with `count` different numbers."""
    lines = [
        f"  %{2 * i} = constant {i}.5 : f32[]\n  %{2 * i + 1} = mul(%x, %{2 * i})"
        for i in range(count)
    ]
    results = ", ".join(f"%{2 * i + 1}" for i in range(count))
    return "\n".join(["graph @g(%x: f32[20]) {", *lines, f"  return {results}", "}"])


def test_numbers_are_in_the_code() -> None:
    graph = prepared(scaled(4))
    assert [len(node.operands) for node in graph.nodes if isinstance(node.op, Fused)] == [1] * 4
    assert len({call.kernel for call in calls_of(scaled(4), TARGET)}) == 4


def test_kernels_share_code_when_there_are_too_many() -> None:
    calls = calls_of(scaled(MAX_HELD + 9), TARGET)
    assert len({call.kernel for call in calls}) == MAX_HELD + 1
    assert len(calls) == MAX_HELD + 9


def test_the_number_that_most_read_stays_in_the_code() -> None:
    count = MAX_HELD + 9
    more = f"  %more = add(%x, %{2 * count - 2})\n  return %more, "
    graph = prepared(scaled(count).replace("  return ", more))
    operands = [len(node.operands) for node in graph.nodes if isinstance(node.op, Fused)]
    assert operands[-2:] == [1, 1]
    assert operands.count(2) == 9


def test_numbers_in_memory_give_the_same() -> None:
    assert_runs(scaled(MAX_HELD + 9), TARGET)
