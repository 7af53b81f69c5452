"""Calls on several cores, in generated code: what a caller runs and what its workers run.

A team is the memory that all callers and workers of a process share; docs/neff.md, "Cores", lays
down its layout and that of a call, so that images work together that know nothing of each other.
The cores of a call wait for one another, hence run at the same time: a call takes idle workers,
as many as it wants or as there are, gives each its part, does its own, and waits for theirs. It
never waits for a worker that it does not have.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.apart import SET_BYTES
from ncc.backends.cpu.emit.waiting import IDLE, INSIDE

SERVE = "serve"
"""`ptr serve(ptr slot)`: a worker; it does what its slot says, for ever."""
RUN = "run"
"""`void run(ptr call)`: the entry of a call on the cores that it gets."""

_COUNT, _FIRST, _SLOT_BYTES = 0, 128, 128
"""In a team: how many slots there are, where they start, and their size."""
_FREE, _JOB, _ASLEEP, _CALL, _CORE, _NEXT = 0, 4, 8, 16, 24, 32
"""In a slot: 1 if nobody has it; 1 while there is work; sleepers; the work; the next one taken."""
_ENTRY, _ARENA, _WEIGHTS, _IO, _SYNC, _TEAM, _WANTED, _CORES = range(0, 64, 8)
"""In a call: the arguments of its entry, the team, and the cores that it wants and gets."""
_SYNC_BYTES = 256


def team_definition() -> str:
    """`SERVE` and `RUN`; they stand beside the definitions of `waiting` and `apart`."""
    return "\n".join([_enter(), _serve(), _claim(), _run()])


def _enter() -> str:
    """The part of one core in a call."""
    arguments = {"arena": _ARENA, "weights": _WEIGHTS, "io": _IO, "sync": _SYNC}
    return f"""\
define internal void @enter(ptr %call, i64 %core) #0 {{
  %entry = load ptr, ptr %call, align 8
{_fields("call", "ptr", arguments)}
{_fields("call", "i64", {"cores": _CORES})}
  call void %entry(ptr %arena, ptr %weights, ptr %io, ptr %sync, i64 %core, i64 %cores)
  ret void
}}"""


def _serve() -> str:
    return f"""\
define ptr @{SERVE}(ptr %slot) #0 {{
entry:
  %set = alloca [{SET_BYTES} x i8], align 8
  call void @introduce(ptr %slot, ptr %set)
  %job = getelementptr i8, ptr %slot, i64 {_JOB}
  %asleep = getelementptr i8, ptr %slot, i64 {_ASLEEP}
  br label %next
next:
  call void @wait_while(ptr %job, i32 0, ptr %asleep, {IDLE})
{_fields("slot", "ptr", {"call": _CALL})}
{_fields("slot", "i64", {"core": _CORE})}
  call void @enter(ptr %call, i64 %core)
  call void @announce(ptr %job, i32 0, ptr %asleep)
  br label %next
}}"""


def _claim() -> str:
    """Take idle workers for a call: the last one taken, each with the one before in `next`."""
    return f"""\
define internal ptr @claim(ptr %call, ptr %team, i64 %wanted) #0 {{
entry:
  %cores_at = getelementptr i8, ptr %call, i64 {_CORES}
  %count = load atomic i64, ptr %team acquire, align 8
  %first = getelementptr i8, ptr %team, i64 {_FIRST}
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %following, %pass ]
  %cores = phi i64 [ 1, %entry ], [ %cores_after, %pass ]
  %last = phi ptr [ null, %entry ], [ %last_after, %pass ]
  %more = icmp ult i64 %i, %count
  %short = icmp ult i64 %cores, %wanted
  %on = and i1 %more, %short
  br i1 %on, label %try, label %done
try:
  %at = mul i64 %i, {_SLOT_BYTES}
  %slot = getelementptr i8, ptr %first, i64 %at
  %free = load atomic i32, ptr %slot monotonic, align 4
  %is_free = icmp eq i32 %free, 1
  br i1 %is_free, label %exchange, label %pass
exchange:
  %pair = cmpxchg ptr %slot, i32 1, i32 0 acquire monotonic
  %got = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %got, label %take, label %pass
take:
  %call_at = getelementptr i8, ptr %slot, i64 {_CALL}
  %core_at = getelementptr i8, ptr %slot, i64 {_CORE}
  %next_at = getelementptr i8, ptr %slot, i64 {_NEXT}
  store ptr %call, ptr %call_at, align 8
  store i64 %cores, ptr %core_at, align 8
  store ptr %last, ptr %next_at, align 8
  %one_more = add i64 %cores, 1
  br label %pass
pass:
  %cores_after = phi i64 [ %one_more, %take ], [ %cores, %try ], [ %cores, %exchange ]
  %last_after = phi ptr [ %slot, %take ], [ %last, %try ], [ %last, %exchange ]
  %following = add i64 %i, 1
  br label %look
done:
  store i64 %cores, ptr %cores_at, align 8
  ret ptr %last
}}"""


def _run() -> str:
    zeros = "\n".join(
        f"  %zeros.{at} = getelementptr i8, ptr %sync, i64 {at}\n"
        f"  store <64 x i8> zeroinitializer, ptr %zeros.{at}, align 64"
        for at in range(0, _SYNC_BYTES, 64)
    )
    return f"""\
define void @{RUN}(ptr %call) #0 {{
entry:
{_fields("call", "ptr", {"sync": _SYNC, "team": _TEAM})}
{_fields("call", "i64", {"wanted": _WANTED})}
{zeros}
  %taken = call ptr @claim(ptr %call, ptr %team, i64 %wanted)
  br label %start
start:
  %starting = phi ptr [ %taken, %entry ], [ %start_next, %tell ]
  %started = icmp eq ptr %starting, null
  br i1 %started, label %own, label %begin
begin:
{_slot("start", "starting")}
  %sleepers = load atomic i32, ptr %start_asleep monotonic, align 4
  %awake = icmp eq i32 %sleepers, 0
  br i1 %awake, label %tell, label %move
move:
  call void @move_apart(ptr %starting)
  br label %tell
tell:
  call void @announce(ptr %start_job, i32 1, ptr %start_asleep)
  br label %start
own:
  call void @enter(ptr %call, i64 0)
  br label %finish
finish:
  %ending = phi ptr [ %taken, %own ], [ %end_next, %end ]
  %ended = icmp eq ptr %ending, null
  br i1 %ended, label %done, label %end
end:
{_slot("end", "ending")}
  call void @wait_while(ptr %end_job, i32 1, ptr %end_asleep, {INSIDE})
  store atomic i32 1, ptr %ending release, align 4
  br label %finish
done:
  ret void
}}"""


def _slot(prefix: str, slot: str) -> str:
    """The words of a slot that are waited for, and the slot that was taken before it."""
    return f"""\
  %{prefix}_job = getelementptr i8, ptr %{slot}, i64 {_JOB}
  %{prefix}_asleep = getelementptr i8, ptr %{slot}, i64 {_ASLEEP}
  %{prefix}_next_at = getelementptr i8, ptr %{slot}, i64 {_NEXT}
  %{prefix}_next = load ptr, ptr %{prefix}_next_at, align 8"""


def _fields(base: str, kind: str, fields: dict[str, int]) -> str:
    """Load fields of `base` by their offsets."""
    return "\n".join(
        f"  %{name}.at = getelementptr i8, ptr %{base}, i64 {offset}\n"
        f"  %{name} = load {kind}, ptr %{name}.at, align 8"
        for name, offset in fields.items()
    )
