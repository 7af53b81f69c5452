"""The sums of one register tile: loops over k around products that stay in registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.contract_unit import Unit

Tile = list[Value]
"""One accumulator per partial sum, row and vector, in that order."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An outer reduction variable: how often, and how far A and B move, in elements."""

    extent: int
    a_stride: int
    b_stride: int


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a tile of `rows` by `vectors`, over `axes` and then `run` elements in a row.

    Rows of A are `row_stride` elements apart; B lies in panels of `nr` columns, and `kr` elements
    of the run. Each sum is split into `parts` that take turns
    along the run, so that short tiles do not wait for one addition after the other.
    """

    unit: Unit
    kr: int
    nr: int
    rows: int
    vectors: int
    row_stride: int
    axes: tuple[Axis, ...]
    run: int
    parts: int


def sum_products(code: Code, sums: Sums, a: Value, b: Value) -> list[list[Value]]:
    """The sums of a tile by row and vector; `a` and `b` point to its first elements."""
    zero = sums.unit.zero()
    tile = _axis(code, sums, sums.axes, a, b, [zero] * (sums.parts * sums.rows * sums.vectors))
    count = sums.rows * sums.vectors
    while len(tile) > count:
        half = len(tile) // 2
        tile = [sums.unit.add(code, *pair) for pair in zip(tile[:half], tile[half:], strict=True)]
    return [tile[first : first + sums.vectors] for first in range(0, count, sums.vectors)]


def _axis(code: Code, sums: Sums, axes: tuple[Axis, ...], a: Value, b: Value, tile: Tile) -> Tile:
    """The loops over `axes`, then the run, adding to `tile`."""
    if not axes:
        return _run(code, sums, a, b, tile)
    axis, inner = axes[0], axes[1:]

    def body(index: Value, tile: Tile) -> Tile:
        stored = sums.unit.stored
        a_next = _step(code, stored, a, index, axis.a_stride)
        b_next = _step(code, stored, b, index, axis.b_stride)
        return _axis(code, sums, inner, a_next, b_next, tile)

    return carried(code, axis.extent, tile, body)


def _run(code: Code, sums: Sums, a: Value, b: Value, tile: Tile) -> Tile:
    """The innermost loop: whole rounds of `parts` products, then those left, then an odd one."""
    kr = sums.kr
    steps, odd = divmod(sums.run, kr)
    rounds, left = divmod(steps, sums.parts)
    stored = sums.unit.stored

    def turn(index: Value, tile: Tile) -> Tile:
        at_a = _step(code, stored, a, index, sums.parts * kr)
        at_b = _step(code, stored, b, index, sums.parts * kr * sums.nr)
        for part in range(sums.parts):
            tile = _products(code, sums, at_a, at_b, part, part, tile)
        return tile

    tile = carried(code, rounds, tile, turn) if rounds else tile
    for part in range(left):
        tile = _products(code, sums, a, b, rounds * sums.parts + part, part, tile)
    if odd:
        tile = _products(code, sums, a, b, steps, left % sums.parts, tile, odd=odd)
    return tile


def _products(
    code: Code, sums: Sums, a: Value, b: Value, step: int, part: int, tile: Tile, odd: int = 0
) -> Tile:
    """Add the products of one step of the run to the sums of `part`."""
    unit, kr = sums.unit, sums.kr
    tile = list(tile)
    row_b = [
        unit.vector(code, _at(code, unit.stored, b, (step * sums.nr + vector * unit.lanes) * kr))
        for vector in range(sums.vectors)
    ]
    first = part * sums.rows * sums.vectors
    for row in range(sums.rows):
        pointer = _at(code, unit.stored, a, row * sums.row_stride + step * kr)
        one_a = unit.broadcast_last(code, pointer) if odd else unit.broadcast(code, pointer)
        for vector in range(sums.vectors):
            position = first + row * sums.vectors + vector
            tile[position] = unit.multiply_add(code, tile[position], one_a, row_b[vector])
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


def _step(code: Code, element: str, pointer: Value, index: Value, stride: int) -> Value:
    return code.offset(pointer, element, code.binary("mul nuw nsw", index, integer(stride)))


def _at(code: Code, element: str, pointer: Value, offset: int) -> Value:
    return code.offset(pointer, element, integer(offset)) if offset else pointer
