"""Elements moved between registers: what loads and stores across each other are made of."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.emit.code import Code, Value


def interleaved(code: Code, vectors: Sequence[Value]) -> list[Value]:
    """Element i of the concatenated result is element i // n of vector i % n, of n vectors."""
    size, width = len(vectors), vectors[0].lanes
    flat = list(vectors)
    padded = 1 << (size - 1).bit_length()
    flat += [Value("poison", flat[0].element, width)] * (padded - size)
    for _ in range(padded.bit_length() - 1):
        halves = zip(flat[: padded // 2], flat[padded // 2 :], strict=True)
        flat = [part for a, b in halves for part in _zipped(code, a, b)]
    if padded == size:
        return flat
    order = [padded * lane + place for lane in range(width) for place in range(size)]
    pieces = [order[start : start + width] for start in range(0, len(order), width)]
    return [picked(code, flat, piece) for piece in pieces]


def _zipped(code: Code, a: Value, b: Value) -> list[Value]:
    """a0 b0 a1 b1 ... in two vectors."""
    if a.text == b.text == "poison":
        return [a, b]
    width = a.lanes
    order = [lane + side * width for lane in range(width) for side in (0, 1)]
    return [code.shuffle(a, b, order[:width]), code.shuffle(a, b, order[width:])]


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
