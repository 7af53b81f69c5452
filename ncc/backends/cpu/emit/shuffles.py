"""Elements moved between registers: what loads and stores across each other are made of."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.emit.code import Code, Value

WORD = 128
"""Bits of the parts of a register within which elements move most cheaply."""


def interleaved(code: Code, vectors: Sequence[Value]) -> list[Value]:
    """Element i of the concatenated result is element i // n of vector i % n, of n vectors."""
    size, width = len(vectors), vectors[0].lanes
    if size == width and WORD // vectors[0].bits < width:
        return _transposed(code, vectors)
    padded = 1 << (size - 1).bit_length()
    filling = [Value("poison", vectors[0].element, width)] * (padded - size)
    flat = _dealt(code, [*vectors, *filling], width, 1)
    if padded == size:
        return flat
    order = [padded * lane + place for lane in range(width) for place in range(size)]
    pieces = [order[start : start + width] for start in range(0, len(order), width)]
    return [picked(code, flat, piece) for piece in pieces]


def _transposed(code: Code, vectors: Sequence[Value]) -> list[Value]:
    """Row i is element i of every vector, of as many vectors as they have elements.

    As many vectors as a word has elements are dealt within words, then words are dealt.
    """
    size, word = len(vectors), WORD // vectors[0].bits
    groups = [_dealt(code, vectors[at : at + word], word, 1) for at in range(0, size, word)]
    rows = [_dealt(code, [group[at] for group in groups], size, word) for at in range(word)]
    return [rows[row % word][row // word] for row in range(size)]


def _dealt(code: Code, vectors: Sequence[Value], part: int, grain: int) -> list[Value]:
    """Grains of elements from each of the vectors in turn, within parts of so many elements."""
    flat, size = list(vectors), len(vectors)
    for _ in range(size.bit_length() - 1):
        halves = zip(flat[: size // 2], flat[size // 2 :], strict=True)
        flat = [found for a, b in halves for found in _zipped(code, a, b, part, grain)]
    return flat


def _zipped(code: Code, a: Value, b: Value, part: int, grain: int) -> list[Value]:
    """a0 b0 a1 b1 ... of grains: the first halves of all parts in one vector, then the others."""
    if a.text == b.text == "poison":
        return [a, b]
    width, half = a.lanes, part // 2
    found = []
    for first in (0, half):
        starts = [
            base + first + at for base in range(0, width, part) for at in range(0, half, grain)
        ]
        order = [
            start + side * width + n for start in starts for side in (0, 1) for n in range(grain)
        ]
        found.append(code.shuffle(a, b, order))
    return found


def picked(code: Code, vectors: Sequence[Value], order: Sequence[int]) -> Value:
    """Elements of the concatenation of `vectors`, then nothing up to a power of two.

    The first of `order` is not negative; what is, may be anything.
    """
    width, size = vectors[0].lanes, 1 << (len(order) - 1).bit_length()
    start, inside = divmod(order[0], width)
    if size == width and not inside and list(order) == list(range(order[0], order[0] + size)):
        return vectors[start]
    found: Value | None = None
    wanted = [*order, *[-1] * (size - len(order))]
    known = [-1] * size
    for source in dict.fromkeys(place // width for place in order if place >= 0):
        here = [p % width if p >= 0 and p // width == source else -1 for p in wanted]
        part = code.shuffle(vectors[source], vectors[source], here)
        for lane in range(size):
            known[lane] = size + lane if here[lane] >= 0 else min(known[lane], lane)
        found = part if found is None else code.shuffle(found, part, known)
    assert found is not None
    return found
