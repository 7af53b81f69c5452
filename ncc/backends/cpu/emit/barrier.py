"""A barrier between the cores of one call, in generated code.

The last core to arrive at barrier number n writes n where the others wait for it. They spin
briefly and then sleep in the kernel (futex(2)), so that a machine with more threads than cores
makes progress. The `sync` block of a call starts as zeros; its words have a cache line each.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.elf import Object, Section, Symbol
from ncc.backends.cpu.target import Target

SPINS = 2000
"""Turns before a core goes to sleep: tens of microseconds."""

_ARRIVED, _RELEASED, _ASLEEP = 0, 64, 128
"""Offsets in the sync block: cores that have arrived, the last barrier passed, sleepers."""
_WAIT, _WAKE, _EVERYONE = 128, 129, 0x7FFFFFFF
"""FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE and how many to wake."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """How an architecture waits: LLVM's hint for spin loops, and machine code of `FUTEX`."""

    pause: str
    machine: int
    system_call: bytes


_WAITING = {
    "x86_64": _Waiting(
        pause="llvm.x86.sse2.pause",
        machine=62,
        # mov eax, 202; xor r10d, r10d; syscall; ret
        system_call=bytes.fromhex("b8ca000000 4531d2 0f05 c3"),
    ),
}
"""By the first part of the triple; `machine` is the ELF number."""

FUTEX = "futex"
"""`i64 futex(ptr word, i64 operation, i64 value)`: the system call, without a timeout.

It is machine code because LLVM assembles inline code for the build machine only.
"""


def futex_object(target: Target) -> Object:
    """The function `FUTEX` as an object to place beside the barrier."""
    waiting = _waiting(target)
    symbol = Symbol(FUTEX, 0, 0, len(waiting.system_call), is_function=True)
    return Object(waiting.machine, {0: Section(".text", waiting.system_call, 16, ())}, (symbol,))


def _waiting(target: Target) -> _Waiting:
    return _WAITING[target.triple.partition("-")[0]]


def barrier_definition(target: Target) -> str:
    """`void barrier(ptr sync, i64 cores, i32 number)`; numbers count from 1 in each call."""
    waiting = _waiting(target)
    return f"""\
declare void @{waiting.pause}()
declare i64 @{FUTEX}(ptr, i64, i64)
define internal void @barrier(ptr %sync, i64 %cores, i32 %number) noinline #0 {{
entry:
  %alone = icmp eq i64 %cores, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %arrived = getelementptr i8, ptr %sync, i64 {_ARRIVED}
  %released = getelementptr i8, ptr %sync, i64 {_RELEASED}
  %asleep = getelementptr i8, ptr %sync, i64 {_ASLEEP}
  %count = trunc i64 %cores to i32
  %all = mul i32 %count, %number
  %before = atomicrmw add ptr %arrived, i32 1 seq_cst
  %with_this = add i32 %before, 1
  %is_last = icmp eq i32 %with_this, %all
  br i1 %is_last, label %release, label %spin
release:
  store atomic i32 %number, ptr %released seq_cst, align 4
  %sleepers = load atomic i32, ptr %asleep seq_cst, align 4
  %nobody = icmp eq i32 %sleepers, 0
  br i1 %nobody, label %done, label %wake
wake:
  call i64 @{FUTEX}(ptr %released, i64 {_WAKE}, i64 {_EVERYONE})
  br label %done
spin:
  %turn = phi i32 [ 0, %arrive ], [ 0, %sleep ], [ %following, %again ]
  %passed = load atomic i32, ptr %released acquire, align 4
  %free = icmp eq i32 %passed, %number
  br i1 %free, label %done, label %again
again:
  call void @{waiting.pause}()
  %following = add i32 %turn, 1
  %patient = icmp ult i32 %following, {SPINS}
  br i1 %patient, label %spin, label %sleep
sleep:
  %previous = sub i32 %number, 1
  %expected = zext i32 %previous to i64
  atomicrmw add ptr %asleep, i32 1 seq_cst
  call i64 @{FUTEX}(ptr %released, i64 {_WAIT}, i64 %expected)
  atomicrmw sub ptr %asleep, i32 1 seq_cst
  br label %spin
done:
  ret void
}}
"""
