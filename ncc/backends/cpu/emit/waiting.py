"""Waiting for a word of memory to change, in generated code: spin briefly, then sleep.

A word that threads wait for comes with a counter of those that sleep, so that a change wakes
somebody only when there is somebody. Sleeping is futex(2): a machine with more threads than cores
makes progress, and who waits for long costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.elf import Object, Section, Symbol
from ncc.backends.cpu.target import Target

SPINS = 2000
"""Turns before a thread goes to sleep: tens of microseconds."""

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
    """`wait_while(ptr word, i32 value, ptr asleep)` and `announce` with the same parameters.

    The one returns when the word has another value, the other gives it this one and wakes all.
    """
    declared, pause = _waiting(target).pause
    return f"""\
declare void {declared}
declare i64 @{FUTEX}(ptr, i64, i64)
define internal void @wait_while(ptr %word, i32 %value, ptr %asleep) noinline #0 {{
entry:
  br label %spin
spin:
  %turn = phi i32 [ 0, %entry ], [ 0, %sleep ], [ %following, %again ]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %again, label %done
again:
  call void {pause}
  %following = add i32 %turn, 1
  %patient = icmp ult i32 %following, {SPINS}
  br i1 %patient, label %spin, label %sleep
sleep:
  %expected = zext i32 %value to i64
  atomicrmw add ptr %asleep, i32 1 seq_cst
  call i64 @{FUTEX}(ptr %word, i64 {_WAIT}, i64 %expected)
  atomicrmw sub ptr %asleep, i32 1 seq_cst
  br label %spin
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
