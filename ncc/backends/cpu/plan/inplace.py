"""Outputs that take over the memory of an input: what a kernel reads last where it writes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.loopir.aliasing import shareable
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.storage.views import Memory, Space

Span = tuple[int, int]
"""The first and the last call that touch a memory."""


def takeovers(
    calls: Sequence[Call], spans: Mapping[Memory, Span]
) -> Iterator[tuple[Memory, Memory]]:
    """Pairs (input, output) of arena memories that may be one, each memory once on each side.

    The input is not touched after the call in which the output is touched first.
    """
    known: dict[Kernel, frozenset[tuple[int, int]]] = {}
    given: set[Memory] = set()
    for index, call in enumerate(calls):
        for output, source in _candidates(call, index, spans):
            if call.kernel not in known:
                known[call.kernel] = shareable(call.kernel)
            if source not in given and _fits(call, output, source, known[call.kernel]):
                given.add(source)
                yield source, call.pointers[output].memory
                break


def _candidates(
    call: Call, index: int, spans: Mapping[Memory, Span]
) -> Iterator[tuple[int, Memory]]:
    """Positions of outputs that are born in `call`, with memories of one size that die in it."""
    for position, pointer in enumerate(call.pointers):
        memory = pointer.memory
        if not pointer.writes or memory.space is not Space.arena or spans[memory][0] != index:
            continue
        for other in call.pointers:
            source = other.memory
            dies = source.space is Space.arena and spans[source][1] == index
            if dies and not other.writes and source.nbytes == memory.nbytes:
                yield position, source


def _fits(call: Call, output: int, source: Memory, pairs: frozenset[tuple[int, int]]) -> bool:
    """Whether all that the call does with `source` bears the output in its place."""
    target = call.pointers[output]
    alone = sum(pointer.memory is target.memory for pointer in call.pointers) == 1
    return alone and all(
        not pointer.writes and pointer.offset == target.offset and (position, output) in pairs
        for position, pointer in enumerate(call.pointers)
        if pointer.memory is source
    )
