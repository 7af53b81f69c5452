"""The sums of one register tile: loops over k around products that stay in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ncc.backends.cpu.emit.code import Code, Value, integer, literal
from ncc.backends.cpu.emit.contract_unit import Unit
from ncc.backends.cpu.tiles import LINE

Tile = list[Value]
"""One accumulator per partial sum, row and vector, in that order."""

Cursor = tuple[Value, ...]
"""Where the sums have come to: pointers into A, into B, and to what is read ahead."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How a pointer moves, in bytes: per outer reduction variable, and per step of the run.

    `lines` are the cache lines that each step asks for; none if the pointer is read.
    """

    axes: tuple[int, ...]
    step: int
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a tile: over variables of extents `axes`, and then `run` elements in a row.

    The rows of A begin `rows` bytes after the first; `vectors` of the columns of B are taken. The
    first streams are those of A and B. Each sum is split into `parts` that take turns along the
    run, so that small tiles do not wait for one addition after the other.
    """

    unit: Unit
    kr: int
    rows: tuple[int, ...]
    vectors: int
    axes: tuple[int, ...]
    run: int
    streams: tuple[Stream, ...]
    parts: int

    @property
    def count(self) -> int:
        """Accumulators of one part."""
        return len(self.rows) * self.vectors


def sum_products(code: Code, sums: Sums, start: Cursor) -> list[list[Value]]:
    """The sums of a tile by row and vector, from `start` on."""
    tile = _axis(code, sums, 0, start, [sums.unit.zero()] * (sums.parts * sums.count))
    while len(tile) > sums.count:
        half = len(tile) // 2
        tile = [sums.unit.add(code, *pair) for pair in zip(tile[:half], tile[half:], strict=True)]
    return [tile[row : row + sums.vectors] for row in range(0, sums.count, sums.vectors)]


def _axis(code: Code, sums: Sums, axis: int, cursor: Cursor, tile: Tile) -> Tile:
    """The loops over outer variables from number `axis` on, and the run in them."""
    if axis == len(sums.axes):
        return _run(code, sums, cursor, tile)
    strides = [stream.axes[axis] for stream in sums.streams]
    return carried(
        code,
        sums.axes[axis],
        tile,
        lambda i, tile: _axis(code, sums, axis + 1, _moved(code, cursor, i, strides), tile),
    )


def _run(code: Code, sums: Sums, cursor: Cursor, tile: Tile) -> Tile:
    """The innermost loop: whole rounds of `parts` products, then those left, then an odd one."""
    steps, odd = divmod(sums.run, sums.kr)
    rounds, left = divmod(steps, sums.parts)
    strides = [sums.parts * stream.step for stream in sums.streams]

    def take_turns(index: Value, tile: Tile) -> Tile:
        here = _moved(code, cursor, index, strides)
        for part in range(sums.parts):
            tile = _products(code, sums, here, part, tile)
        return tile

    tile = carried(code, rounds, tile, take_turns) if rounds else tile
    for step in range(steps - left, steps):
        tile = _products(code, sums, cursor, step, tile)
    return _products(code, sums, cursor, steps, tile, odd=True) if odd else tile


def _products(
    code: Code, sums: Sums, cursor: Cursor, step: int, tile: Tile, odd: bool = False
) -> Tile:
    """Add the products `step` steps after `cursor` to the part whose turn it is."""
    unit, tile = sums.unit, list(tile)
    at_a, at_b, *ahead = (
        _at(code, pointer, step * stream.step)
        for pointer, stream in zip(cursor, sums.streams, strict=True)
    )
    for pointer, stream in zip(ahead, sums.streams[2:], strict=True):
        for line in range(stream.lines):
            _ask_for(code, _at(code, pointer, line * LINE))
    width = unit.lanes * sums.kr * unit.operand.itemsize
    row_of_b = [unit.vector(code, _at(code, at_b, v * width)) for v in range(sums.vectors)]
    broadcast = unit.broadcast_last if odd else unit.broadcast
    position = step % sums.parts * sums.count
    for row in sums.rows:
        a = broadcast(code, _at(code, at_a, row))
        for b in row_of_b:
            tile[position] = unit.multiply_add(code, tile[position], a, b)
            position += 1
    return tile


def carried(code: Code, extent: int, tile: Tile, body: Callable[[Value, Tile], Tile]) -> Tile:
    """`for i in range(extent): tile = body(i, tile)`, with `tile` in registers."""
    if extent == 1:
        return body(integer(0), tile)
    before, label, done = code.block, code.fresh("sums"), code.fresh("summed")
    code.branch(label)
    code.start(label)
    place = len(code.lines)
    index, *inside = (replace(old, text=f"%{code.fresh('k')}") for old in (integer(0), *tile))
    results = body(index, inside)
    following = code.binary("add nuw nsw", index, integer(1))
    again = code.compare("icmp ult", following, integer(extent))
    latch = code.block
    code.branch_if(again, label, done)
    code.lines[place:place] = [
        f"  {phi.text} = phi {phi.type} [ {first.text}, %{before} ], [ {last.text}, %{latch} ]"
        for phi, first, last in zip(
            (index, *inside), (integer(0), *tile), (following, *results), strict=True
        )
    ]
    code.start(done)
    return results


def _moved(code: Code, cursor: Cursor, index: Value, strides: Sequence[int]) -> Cursor:
    """Each pointer moved by `index` times its stride in bytes."""
    return tuple(
        _offset(code, pointer, code.binary("mul nsw", index, integer(stride)))
        for pointer, stride in zip(cursor, strides, strict=True)
    )


def _at(code: Code, pointer: Value, distance: int) -> Value:
    return _offset(code, pointer, integer(distance)) if distance else pointer


def _offset(code: Code, pointer: Value, distance: Value) -> Value:
    """An address that may lie outside of any buffer, if it is only asked for."""
    return code.value(f"getelementptr i8, {pointer}, {distance}", "ptr")


def _ask_for(code: Code, pointer: Value) -> None:
    """Start to bring a line to the second-level cache; harmless wherever it points."""
    read, level, data = (literal(number, "i32") for number in (0, 2, 1))
    code.run("llvm.prefetch.p0", pointer, read, level, data)
