"""Reading the clock, in generated code: for entries that write down when each step ended."""

from __future__ import annotations

from ncc.backends.cpu.target import Target

_CLOCKS = {
    "x86_64": ("i64 @llvm.readcyclecounter()", "i64 @llvm.readcyclecounter()"),
    "aarch64": (
        "i64 @llvm.read_register.i64(metadata)",
        'i64 @llvm.read_register.i64(metadata !{!"cntvct_el0"})',
    ),
}
"""How LLVM declares and calls what reads the counter of constant rate that any process may read.

By machine; `llvm.readcyclecounter` is one that only the system may read on aarch64.
"""


def mark_definition(target: Target) -> str:
    """`void mark(ptr times, i64 number)`: the time now is that one of `times`."""
    declared, clock = _CLOCKS[target.machine]
    return f"""\
declare {declared}
define internal void @mark(ptr %times, i64 %number) noinline #0 {{
  %now = call {clock}
  %at = getelementptr i64, ptr %times, i64 %number
  store i64 %now, ptr %at, align 8
  ret void
}}"""
