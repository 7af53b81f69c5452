"""Waiting for a word of memory to change, in generated code: spin briefly, then sleep.

A word that threads wait for comes with a counter of those that sleep, so that a change wakes
somebody only when there is somebody. Sleeping is futex(2): a machine with more threads than cores
makes progress, and who waits for long costs nothing.

To wake a thread takes the waker 10 us and the thread 20 more. A turn of the loop takes 10 to 50 ns,
from one processor to another, so it is time that ends the patience.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.elf import Object, Section, Symbol
from ncc.backends.cpu.target import Target

PATIENT = 10_000
"""Part of a second for which a worker without work spins: programs that call again and again do
so within 0.1 ms."""
BRIEF = 50_000
"""The same for a core that waits for others in a call, whose threads may lack a processor."""

_WAIT, _WAKE, _EVERYONE = 128, 129, 0x7FFFFFFF
"""FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE and how many to wake."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """How an architecture waits: a hint for spin loops, as LLVM declares and calls it, and
    machine code of `futex`.
    """

    pause: tuple[str, str]
    machine: int
    system_call: bytes


_WAITING = {
    "x86_64": _Waiting(
        pause=("@llvm.x86.sse2.pause()", "@llvm.x86.sse2.pause()"),
        machine=62,
        # mov eax, 202; xor r10d, r10d; syscall; ret
        system_call=bytes.fromhex("b8ca000000 4531d2 0f05 c3"),
    ),
    "aarch64": _Waiting(
        pause=("@llvm.aarch64.isb(i32)", "@llvm.aarch64.isb(i32 15)"),
        machine=183,
        # mov x8, 98; mov x3, 0; svc 0; ret
        system_call=bytes.fromhex("480c80d2 030080d2 010000d4 c0035fd6"),
    ),
}
"""By the first part of the triple; `machine` is the ELF number."""

FUTEX = "futex"
"""`i64 futex(ptr word, i64 operation, i64 value)`: the system call, without a timeout.

It is machine code because LLVM assembles inline code for the build machine only.
"""


def futex_object(target: Target) -> Object:
    """The function `FUTEX` as an object to place beside what waits."""
    waiting = _waiting(target)
    symbol = Symbol(FUTEX, 0, 0, len(waiting.system_call), is_function=True)
    return Object(waiting.machine, {0: Section(".text", waiting.system_call, 16, ())}, (symbol,))


def _waiting(target: Target) -> _Waiting:
    return _WAITING[target.machine]


def waiting_definition(target: Target) -> str:
    """`wait_while(ptr word, i32 value, ptr asleep, i64 part)`, and `announce` without the last.

    The one returns when the word has another value; before it sleeps it spins for a second divided
    by `part`. The other gives the word this value and wakes all. They stand beside
    `timing.clock_definition`.
    """
    declared, pause = _waiting(target).pause
    return f"""\
declare void {declared}
declare i64 @{FUTEX}(ptr, i64, i64)
define internal void @wait_while(ptr %word, i32 %value, ptr %asleep, i64 %part) noinline #0 {{
entry:
  %second = call i64 @second()
  %patience = udiv i64 %second, %part
  br label %begin
begin:
  %start = call i64 @now()
  br label %spin
spin:
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %again, label %done
again:
  call void {pause}
  %time = call i64 @now()
  %waited = sub i64 %time, %start
  %patient = icmp ult i64 %waited, %patience
  br i1 %patient, label %spin, label %sleep
sleep:
  %expected = zext i32 %value to i64
  atomicrmw add ptr %asleep, i32 1 seq_cst
  call i64 @{FUTEX}(ptr %word, i64 {_WAIT}, i64 %expected)
  atomicrmw sub ptr %asleep, i32 1 seq_cst
  br label %begin
done:
  ret void
}}
define internal void @announce(ptr %word, i32 %value, ptr %asleep) noinline #0 {{
entry:
  store atomic i32 %value, ptr %word seq_cst, align 4
  %sleepers = load atomic i32, ptr %asleep seq_cst, align 4
  %nobody = icmp eq i32 %sleepers, 0
  br i1 %nobody, label %done, label %wake
wake:
  call i64 @{FUTEX}(ptr %word, i64 {_WAKE}, i64 {_EVERYONE})
  br label %done
done:
  ret void
}}
"""
