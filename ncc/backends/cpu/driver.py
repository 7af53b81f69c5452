"""Entries: one function per device segment that calls its kernels in order.

An entry is `void(ptr arena, ptr weights, ptr io, ptr sync, i64 core, i64 cores)` and runs on
every core at once; `io` is a table of pointers, `sync` 256 zeroed bytes for the barriers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ncc.backends.cpu.emit.barrier import barrier_definition
from ncc.backends.cpu.emit.kernel import attributes
from ncc.backends.cpu.emit.team import team_definition
from ncc.backends.cpu.emit.waiting import waiting_definition
from ncc.backends.cpu.target import Target


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
    """A module with functions "entry.0", "entry.1" ... and those of `emit.team`.

    `functions` names the function of each kernel.
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
            waiting_definition(target),
            barrier_definition(),
            team_definition(),
            *(_entry(i, calls, functions) for i, calls in enumerate(entries)),
            f"attributes #0 = {{ {attributes(target)} }}",
            "",
        ]
    )


def _entry(number: int, calls: Sequence[Call], functions: Sequence[str]) -> str:
    lines = []
    barriers = 0
    for i, call in enumerate(calls):
        pointers = [f"%a.{i}.{j}" for j in range(len(call.args))]
        for pointer, arg in zip(pointers, call.args, strict=True):
            lines += _address(pointer, arg)
        passed = ", ".join(f"ptr {pointer}" for pointer in pointers)
        lines.append(f'call void @"{functions[call.kernel]}"({passed}, i64 %core, i64 %cores)')
        if call.barrier_after:
            barriers += 1
            lines.append(f"call void @barrier(ptr %sync, i64 %cores, i32 {barriers})")
    parameters = "ptr %arena, ptr %weights, ptr %io, ptr %sync, i64 %core, i64 %cores"
    body = "\n  ".join([*lines, "ret void"])
    return f'define void @"entry.{number}"({parameters}) #0 {{\n  {body}\n}}'


def _address(pointer: str, arg: Arg) -> list[str]:
    if arg.space is not Space.io:
        return [f"{pointer} = getelementptr i8, ptr %{arg.space.value}, i64 {arg.position}"]
    slot, base = f"{pointer}.slot", f"{pointer}.base"
    return [
        f"{slot} = getelementptr ptr, ptr %io, i64 {arg.position}",
        f"{base} = load ptr, ptr {slot}, align 8",
        f"{pointer} = getelementptr i8, ptr {base}, i64 {arg.offset}",
    ]
