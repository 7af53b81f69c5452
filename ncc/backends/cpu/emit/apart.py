"""Keeping a worker off the processor of the thread that wakes it, in generated code.

A system may let the two take turns on one processor, and leave them there for many calls, since
each sleeps while the other runs. So who wakes a worker first forbids it the own processor.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.system import SYSTEM, system_numbers
from ncc.backends.cpu.target import Target

_THREAD, _PROCESSORS = 40, 48
"""In a slot: the thread of the worker; the set of processors that it had when it started."""
SET_BYTES = 128
"""A set of processors, a bit for each."""


def apart_definition(target: Target) -> str:
    """`introduce(ptr slot, ptr set)` by a worker that starts; `move_apart(ptr slot)` by its waker.

    The set has `SET_BYTES` and lives as long as the worker.
    """
    return "\n".join([_introduce(target), _move_apart(target)])


def _introduce(target: Target) -> str:
    numbers = system_numbers(target)
    return f"""\
define internal void @introduce(ptr %slot, ptr %set) noinline #0 {{
entry:
  store <{SET_BYTES} x i8> zeroinitializer, ptr %set, align 8
  %set_at = ptrtoint ptr %set to i64
  %thread = call i64 @{SYSTEM}(i64 {numbers.gettid}, i64 0, i64 0, i64 0)
  %bytes = call i64 @{SYSTEM}(i64 {numbers.sched_getaffinity}, i64 0, i64 {SET_BYTES}, i64 %set_at)
  %known = icmp sgt i64 %bytes, 0
  br i1 %known, label %tell, label %done
tell:
  %thread_at = getelementptr i8, ptr %slot, i64 {_THREAD}
  %processors_at = getelementptr i8, ptr %slot, i64 {_PROCESSORS}
  store i64 %thread, ptr %thread_at, align 8
  store atomic ptr %set, ptr %processors_at release, align 8
  br label %done
done:
  ret void
}}"""


def _move_apart(target: Target) -> str:
    numbers = system_numbers(target)
    return f"""\
define internal void @move_apart(ptr %slot) noinline #0 {{
entry:
  %others = alloca <{SET_BYTES} x i8>, align 8
  %here = alloca i32, align 4
  %thread_at = getelementptr i8, ptr %slot, i64 {_THREAD}
  %processors_at = getelementptr i8, ptr %slot, i64 {_PROCESSORS}
  %set = load atomic ptr, ptr %processors_at acquire, align 8
  %unknown = icmp eq ptr %set, null
  br i1 %unknown, label %done, label %find
find:
  %here_at = ptrtoint ptr %here to i64
  %failed = call i64 @{SYSTEM}(i64 {numbers.getcpu}, i64 %here_at, i64 0, i64 0)
  %number = load i32, ptr %here, align 4
  %inside = icmp ult i32 %number, {8 * SET_BYTES}
  %found = icmp eq i64 %failed, 0
  %able = and i1 %found, %inside
  br i1 %able, label %move, label %done
move:
  %all = load <{SET_BYTES} x i8>, ptr %set, align 8
  store <{SET_BYTES} x i8> %all, ptr %others, align 8
  %byte = lshr i32 %number, 3
  %bit = and i32 %number, 7
  %wide = shl i32 1, %bit
  %one = trunc i32 %wide to i8
  %rest = xor i8 %one, -1
  %byte_at = getelementptr i8, ptr %others, i32 %byte
  %before = load i8, ptr %byte_at, align 1
  %after = and i8 %before, %rest
  store i8 %after, ptr %byte_at, align 1
  %thread = load i64, ptr %thread_at, align 8
  %others_at = ptrtoint ptr %others to i64
  call i64 @{SYSTEM}(i64 {numbers.sched_setaffinity}, i64 %thread, i64 {SET_BYTES}, i64 %others_at)
  br label %done
done:
  ret void
}}"""
