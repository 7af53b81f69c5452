"""Waiting for a word of memory to change, in generated code: spin, then give way, then sleep.

A word that threads wait for comes with a counter of those that sleep, so that a change wakes
somebody only when there is somebody. Sleeping is futex(2): a machine with more threads than cores
makes progress, and who waits for long costs nothing.

To wake a thread takes the waker 10 us and the thread 20 more. A turn of the loop takes 10 to 50 ns,
from one processor to another, so it is time that ends the patience.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.system import SYSTEM, system_numbers
from ncc.backends.cpu.target import Target

IDLE = "i64 10000, i64 10000"
"""For a worker without work: programs that call again and again do so within 0.1 ms."""
INSIDE = "i64 50000, i64 500"
"""For a core that waits for others in a call: it spins for 0.02 ms, and is there for 2.

Their threads may lack a processor. Were it asleep when they come, the system might let it go on
where the one runs that woke it, and both would take turns on one processor.
"""

_WAIT, _WAKE, _EVERYONE = 128, 129, 0x7FFFFFFF
"""FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE and how many to wake."""

_PAUSES = {
    "x86_64": ("@llvm.x86.sse2.pause()", "@llvm.x86.sse2.pause()"),
    "aarch64": ("@llvm.aarch64.isb(i32)", "@llvm.aarch64.isb(i32 15)"),
}
"""A hint for spin loops, as LLVM declares and calls it, by the first part of the triple."""

_PARAMETERS = "ptr %word, i32 %value, ptr %asleep"


def waiting_definition(target: Target) -> str:
    """`wait_while(ptr word, i32 value, ptr asleep, i64 spin, i64 stay)`; `announce` of the first 3.

    The one returns when the word has another value; it spins for a second divided by `spin`, lets
    other threads run until a second divided by `stay` has gone by, then sleeps. The other gives
    the word this value and wakes all. They stand beside `timing.clock_definition`.
    """
    declared, pause = _PAUSES[target.machine]
    numbers = system_numbers(target)
    return f"""\
declare void {declared}
declare i64 @{SYSTEM}(i64, i64, i64, i64)
define internal void @wait_while({_PARAMETERS}, i64 %spin, i64 %stay) noinline #0 {{
entry:
  %second = call i64 @second()
  %spins = udiv i64 %second, %spin
  %stays = udiv i64 %second, %stay
  br label %begin
begin:
  %start = call i64 @now()
  br label %look
look:
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %again, label %done
again:
  call void {pause}
  %time = call i64 @now()
  %waited = sub i64 %time, %start
  %spins_on = icmp ult i64 %waited, %spins
  br i1 %spins_on, label %look, label %stay_or_sleep
stay_or_sleep:
  %stays_on = icmp ult i64 %waited, %stays
  br i1 %stays_on, label %give_way, label %sleep
give_way:
  call i64 @{SYSTEM}(i64 {numbers.sched_yield}, i64 0, i64 0, i64 0)
  br label %look
sleep:
  %expected = zext i32 %value to i64
  atomicrmw add ptr %asleep, i32 1 seq_cst
  %word_at = ptrtoint ptr %word to i64
  call i64 @{SYSTEM}(i64 {numbers.futex}, i64 %word_at, i64 {_WAIT}, i64 %expected)
  atomicrmw sub ptr %asleep, i32 1 seq_cst
  br label %begin
done:
  ret void
}}
define internal void @announce({_PARAMETERS}) noinline #0 {{
entry:
  store atomic i32 %value, ptr %word seq_cst, align 4
  %sleepers = load atomic i32, ptr %asleep seq_cst, align 4
  %nobody = icmp eq i32 %sleepers, 0
  br i1 %nobody, label %done, label %wake
wake:
  %word_at = ptrtoint ptr %word to i64
  call i64 @{SYSTEM}(i64 {numbers.futex}, i64 %word_at, i64 {_WAKE}, i64 {_EVERYONE})
  br label %done
done:
  ret void
}}
"""
