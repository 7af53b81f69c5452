"""Where cores must meet: before a call that touches what an earlier one still reads or writes.

Cores do their parts of calls in the same order, each as fast as it can. Writes to one memory need
no order among themselves, since each element of a value is written once: a border, and what lies
inside it, or the parts of a concat, are made at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.kernels.builder import Call, Pointer
from ncc.backends.cpu.storage.views import Space

MAX_PENDING = 64
"""Pointers of calls without a barrier between them that are searched for conflicts."""


def barriers_after(calls: Sequence[Call]) -> set[int]:
    """Calls, by number, after which cores must meet."""
    found: set[int] = set()
    pending: list[Pointer] = []
    for index, call in enumerate(calls):
        if len(pending) > MAX_PENDING or any(
            _conflict(pointer, other) for pointer in call.pointers for other in pending
        ):
            found.add(index - 1)
            pending = []
        pending += [p for p in call.pointers if p.memory.space is not Space.weights]
    return found


def _conflict(a: Pointer, b: Pointer) -> bool:
    """Whether the order of what is done through `a` and `b` matters."""
    if not (a.writes or b.writes) or a.memory.space is not b.memory.space:
        return False
    if a.memory is b.memory and a.writes and b.writes:
        return a.clears or b.clears
    if a.memory.space is Space.io:
        same = a.memory.where == b.memory.where
        return same and _overlap(a.offset, a.nbytes, b.offset, b.nbytes)
    start, other = a.memory.where + a.offset, b.memory.where + b.offset
    return _overlap(start, a.nbytes, other, b.nbytes)


def _overlap(a: int, a_bytes: int, b: int, b_bytes: int) -> bool:
    return a < b + b_bytes and b < a + a_bytes
