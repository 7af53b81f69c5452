"""Entries: one function per device segment that calls its kernels in order.

An entry is `void(ptr arena, ptr weights, ptr io, ptr sync, i64 core, i64 cores)` and runs on
every core at once; `io` is a table of pointers, `sync` 256 zeroed bytes for the barriers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ncc.backends.cpu.emit.apart import apart_definition
from ncc.backends.cpu.emit.barrier import barrier_definition
from ncc.backends.cpu.emit.kernel import attributes
from ncc.backends.cpu.emit.team import team_definition
from ncc.backends.cpu.emit.timing import clock_definition
from ncc.backends.cpu.emit.waiting import waiting_definition
from ncc.backends.cpu.target import Target

PART_STEPS = 200
"""Kernels and barriers in one function."""

_PARAMETERS = (
    *("ptr %arena", "ptr %weights", "ptr %io", "ptr %sync"),
    *("i64 %core", "i64 %cores"),
)


class Space(Enum):
    """Where an argument lies."""

    arena = "arena"
    weights = "weights"
    io = "io"


@dataclass(frozen=True, slots=True)
class Arg:
    """A buffer: `position` is an offset in bytes in the arena or weights, an index into io.

    `offset` is how many bytes into the buffer of that index the argument points.
    """

    space: Space
    position: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One kernel on its arguments; with a barrier, no core goes on before all are done."""

    kernel: int
    args: tuple[Arg, ...]
    barrier_after: bool = False


def emit_entries(
    entries: Sequence[Sequence[Call]], functions: Sequence[str], target: Target
) -> str:
    """A module with an entry and a timed one for each of `entries`, and `emit.team`.

    They are called "entry.0", "timed.0", "entry.1" ...; `functions` names the function of each
    kernel.
    """
    arities = {functions[call.kernel]: len(call.args) for calls in entries for call in calls}
    declared = [
        f'declare void @"{name}"({", ".join(["ptr"] * arity)}, i64, i64)'
        for name, arity in arities.items()
    ]
    return "\n".join(
        [
            f'target triple = "{target.triple}"',
            *declared,
            clock_definition(target),
            waiting_definition(target),
            barrier_definition(),
            apart_definition(target),
            team_definition(),
            *(_entry(i, calls, functions) for i, calls in enumerate(entries)),
            *(_timed(i, calls, functions) for i, calls in enumerate(entries)),
            f"attributes #0 = {{ {attributes(target)} }}",
            "",
        ]
    )


def marks(calls: Sequence[Call]) -> Iterator[int | None]:
    """What a timed entry writes down the end of, in order: a kernel, or None for a barrier."""
    for call in calls:
        yield call.kernel
        if call.barrier_after:
            yield None


def _entry(number: int, calls: Sequence[Call], functions: Sequence[str]) -> str:
    return _define(f"entry.{number}", list(_steps(calls, functions)))


def _timed(number: int, calls: Sequence[Call], functions: Sequence[str]) -> str:
    """The same, with the time at the start and after each step in a row of a table.

    The pointer before the first of `io` is to the table; each core has a row.
    """
    steps = list(_steps(calls, functions))
    find_row = [
        "%table.at = getelementptr ptr, ptr %io, i64 -1",
        "%table = load ptr, ptr %table.at, align 8",
        f"%row = mul i64 %core, {1 + len(steps)}",
        "%times = getelementptr i64, ptr %table, i64 %row",
        "call void @mark(ptr %times, i64 0)",
    ]
    for index, step in enumerate(steps, start=1):
        step.append(f"call void @mark(ptr %times, i64 {index})")
    return _define(f"timed.{number}", steps, find_row)


def _steps(calls: Sequence[Call], functions: Sequence[str]) -> Iterator[list[str]]:
    """The instructions of each kernel and each barrier."""
    barriers = 0
    for i, call in enumerate(calls):
        lines = []
        pointers = [f"%a.{i}.{j}" for j in range(len(call.args))]
        for pointer, arg in zip(pointers, call.args, strict=True):
            lines += _address(pointer, arg)
        passed = ", ".join(f"ptr {pointer}" for pointer in pointers)
        lines.append(f'call void @"{functions[call.kernel]}"({passed}, i64 %core, i64 %cores)')
        yield lines
        if call.barrier_after:
            barriers += 1
            yield [f"call void @barrier(ptr %sync, i64 %cores, i32 {barriers})"]


def _define(name: str, steps: Sequence[Sequence[str]], first: Sequence[str] = ()) -> str:
    """A function that does `first` and then the steps, by functions of `PART_STEPS` each.

    What LLVM takes for a function grows with the square of its length.
    """
    parts = []
    lines = [*first]
    passed = [*_PARAMETERS, *(["ptr %times"] if first else [])]
    for start in range(0, len(steps), PART_STEPS):
        body = [line for step in steps[start : start + PART_STEPS] for line in step]
        part = f"{name}.{start}"
        parts.append(_function("internal void", part, passed, body))
        lines.append(f'call void @"{part}"({", ".join(passed)})')
    return "\n".join([*parts, _function("void", name, _PARAMETERS, lines)])


def _function(kind: str, name: str, parameters: Sequence[str], lines: Sequence[str]) -> str:
    body = "\n  ".join([*lines, "ret void"])
    return f'define {kind} @"{name}"({", ".join(parameters)}) #0 {{\n  {body}\n}}'


def _address(pointer: str, arg: Arg) -> list[str]:
    if arg.space is not Space.io:
        return [f"{pointer} = getelementptr i8, ptr %{arg.space.value}, i64 {arg.position}"]
    slot, base = f"{pointer}.slot", f"{pointer}.base"
    return [
        f"{slot} = getelementptr ptr, ptr %io, i64 {arg.position}",
        f"{base} = load ptr, ptr {slot}, align 8",
        f"{pointer} = getelementptr i8, ptr {base}, i64 {arg.offset}",
    ]
