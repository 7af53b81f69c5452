"""The clock, in generated code: to write down when a step ended, and to wait for so long."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.target import Target


@dataclass(frozen=True, slots=True)
class _Clock:
    """A counter of constant rate that any process may read, as LLVM declares and calls it.

    `rate` is its steps in a second.
    """

    declared: str
    now: str
    rate: str


_CLOCKS = {
    # No register tells the rate, which is 2 to 4 GHz.
    "x86_64": _Clock(
        declared="i64 @llvm.readcyclecounter()",
        now="call i64 @llvm.readcyclecounter()",
        rate="add i64 0, 2600000000",
    ),
    # llvm.readcyclecounter is a counter that only the system may read.
    "aarch64": _Clock(
        declared="i64 @llvm.read_register.i64(metadata)",
        now='call i64 @llvm.read_register.i64(metadata !{!"cntvct_el0"})',
        rate='call i64 @llvm.read_register.i64(metadata !{!"cntfrq_el0"})',
    ),
}


def clock_definition(target: Target) -> str:
    """`i64 now()` in steps of a counter, and `i64 second()`, of about how many one consists.

    `void mark(ptr times, i64 number)`: the time now is that one of `times`.
    """
    clock = _CLOCKS[target.machine]
    return f"""\
declare {clock.declared}
define internal i64 @now() alwaysinline #0 {{
  %now = {clock.now}
  ret i64 %now
}}
define internal i64 @second() alwaysinline #0 {{
  %rate = {clock.rate}
  ret i64 %rate
}}
define internal void @mark(ptr %times, i64 %number) noinline #0 {{
  %now = call i64 @now()
  %at = getelementptr i64, ptr %times, i64 %number
  store i64 %now, ptr %at, align 8
  ret void
}}"""
