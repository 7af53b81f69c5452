"""A barrier between the cores of one call, in generated code.

The last core to arrive at barrier number n writes n where the others wait for it. The `sync`
block of a call starts as zeros; its words have a cache line each.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.waiting import INSIDE

_ARRIVED, _RELEASED, _ASLEEP = 0, 64, 128
"""Offsets in the sync block: cores that have arrived, the last barrier passed, sleepers."""


def barrier_definition() -> str:
    """`void barrier(ptr sync, i64 cores, i32 number)`; numbers count from 1 in each call.

    It stands beside `waiting.waiting_definition`.
    """
    return f"""\
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
  br i1 %is_last, label %release, label %wait
release:
  call void @announce(ptr %released, i32 %number, ptr %asleep)
  br label %done
wait:
  %previous = sub i32 %number, 1
  call void @wait_while(ptr %released, i32 %previous, ptr %asleep, {INSIDE})
  br label %done
done:
  ret void
}}
"""
