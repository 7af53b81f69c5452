"""Reading the clock, in generated code: for entries that write down when each step ended."""

from __future__ import annotations

from ncc.backends.cpu.target import Target

_CLOCK = {"x86_64": "llvm.readcyclecounter", "aarch64": "llvm.readsteadycounter"}
"""The counter of constant rate that a process may read, by the first part of the triple."""


def mark_definition(target: Target) -> str:
    """`void mark(ptr times, i64 number)`: the time now is that one of `times`."""
    clock = _CLOCK[target.triple.partition("-")[0]]
    return f"""\
declare i64 @{clock}()
define internal void @mark(ptr %times, i64 %number) noinline #0 {{
  %now = call i64 @{clock}()
  %at = getelementptr i64, ptr %times, i64 %number
  store i64 %now, ptr %at, align 8
  ret void
}}"""
