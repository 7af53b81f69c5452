"""The static arena: every memory gets an offset that no other uses while it is live.

Memories of which one takes over the other count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.plan.inplace import takeovers
from ncc.backends.cpu.storage.views import Memory, Space

ALIGNMENT = 64
EXHAUSTIVE = 2000
"""Memories up to which all pairs are compared for a tighter plan."""
TRIES = 64
"""Orders that are tried for as many memories; fewer for more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`nbytes` of arena; no plan needs fewer than `bound`, the largest sum live at once."""

    nbytes: int
    bound: int


@dataclass(slots=True, eq=False)
class _Life:
    memories: list[Memory]
    first: int
    last: int

    @property
    def nbytes(self) -> int:
        return -(-self.memories[0].nbytes // ALIGNMENT) * ALIGNMENT


def plan(calls: Sequence[Call]) -> Plan:
    """Give every arena memory that `calls` touch its offset (`Memory.where`)."""
    lives = _lives(calls)
    bound = _bound(lives, len(calls))
    offsets, nbytes = _by_time(lives, len(calls))
    if len(lives) <= EXHAUSTIVE and nbytes > bound:
        other, smaller = _by_size(lives, bound)
        if smaller < nbytes:
            offsets, nbytes = other, smaller
    for life, offset in zip(lives, offsets, strict=True):
        for memory in life.memories:
            memory.where = offset
    return Plan(nbytes, bound)


def _lives(calls: Sequence[Call]) -> list[_Life]:
    """The lives of all arena memories, in order of birth."""
    spans: dict[Memory, tuple[int, int]] = {}
    for index, call in enumerate(calls):
        for pointer in call.pointers:
            if pointer.memory.space is Space.arena:
                first, _ = spans.get(pointer.memory, (index, index))
                spans[pointer.memory] = first, index
    found = {memory: _Life([memory], first, last) for memory, (first, last) in spans.items()}
    for source, target in takeovers(calls, spans):
        life = found[source]
        life.memories.append(target)
        life.last = found[target].last
        found[target] = life
    return list(dict.fromkeys(found.values()))


def _bound(lives: Iterable[_Life], count: int) -> int:
    change = [0] * (count + 1)
    for life in lives:
        change[life.first] += life.nbytes
        change[life.last + 1] -= life.nbytes
    most = now = 0
    for delta in change:
        now += delta
        most = max(most, now)
    return most


def _by_time(lives: Sequence[_Life], count: int) -> tuple[list[int], int]:
    """In order of birth, each into the smallest gap that holds it."""
    ends: list[list[int]] = [[] for _ in range(count)]
    for index, life in enumerate(lives):
        ends[life.last].append(index)
    gaps: list[tuple[int, int]] = []
    offsets = [0] * len(lives)
    top = time = 0
    for index, life in enumerate(lives):
        while time < life.first:
            for dead in ends[time]:
                gaps = _released(gaps, offsets[dead], lives[dead].nbytes)
            time += 1
        fits = [gap for gap in gaps if gap[1] >= life.nbytes]
        if fits:
            offset, size = min(fits, key=lambda gap: (gap[1], gap[0]))
            gaps.remove((offset, size))
            if size > life.nbytes:
                gaps.append((offset + life.nbytes, size - life.nbytes))
        else:
            offset = _grow(gaps, top)
            top = offset + life.nbytes
        offsets[index] = offset
    return offsets, top


def _grow(gaps: list[tuple[int, int]], top: int) -> int:
    """Where a memory that fits no gap goes: at the top, or into a gap that touches the top."""
    for gap in gaps:
        if sum(gap) == top:
            gaps.remove(gap)
            return gap[0]
    return top


def _released(gaps: list[tuple[int, int]], offset: int, size: int) -> list[tuple[int, int]]:
    """`gaps` with one more, joined with its neighbours."""
    kept = []
    for start, length in gaps:
        if start + length == offset:
            offset, size = start, size + length
        elif offset + size == start:
            size += length
        else:
            kept.append((start, length))
    if size:
        kept.append((offset, size))
    return kept


def _by_size(lives: Sequence[_Life], bound: int) -> tuple[list[int], int]:
    """Largest first, each at the lowest offset that is free during its life.

    While that is above the bound, what reaches highest is placed first, a few times.
    """
    order = sorted(range(len(lives)), key=lambda i: (-lives[i].nbytes, i))
    offsets, top = best = _in_order(lives, order)
    for _ in range(TRIES * TRIES // max(len(lives), TRIES)):
        if top == bound:
            break
        highest = max(order, key=lambda i: offsets[i] + lives[i].nbytes)
        order.remove(highest)
        order.insert(0, highest)
        offsets, top = _in_order(lives, order)
        best = min(best, (offsets, top), key=lambda found: found[1])
    return best


def _in_order(lives: Sequence[_Life], order: Sequence[int]) -> tuple[list[int], int]:
    """Each life at the lowest offset that those before it in `order` leave free."""
    offsets = [0] * len(lives)
    placed: list[int] = []
    top = 0
    for index in order:
        life = lives[index]
        busy = sorted(
            (offsets[other], offsets[other] + lives[other].nbytes)
            for other in placed
            if lives[other].first <= life.last and life.first <= lives[other].last
        )
        offset = 0
        for start, end in busy:
            if offset + life.nbytes <= start:
                break
            offset = max(offset, end)
        offsets[index] = offset
        placed.append(index)
        top = max(top, offset + life.nbytes)
    return offsets, top
