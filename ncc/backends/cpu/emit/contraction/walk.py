"""The loops over k: pointers that move through the operands, and values carried in registers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ncc.backends.cpu.emit.code import Code, Value, integer, literal
from ncc.backends.cpu.tiles import LINE

Carried = list[Value]
"""Values that go from one step to the next."""

Cursor = tuple[Value, ...]
"""Where the walk has come to: pointers into A, into B, and to what is asked for."""


class Add(Protocol):
    """Emits one step of a stretch."""

    def __call__(self, at: Cursor, step: int, carried: Carried, *, short: int) -> Carried:
        """Code for step number `step` of a round, to which the run leaves `short` if not 0."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How a pointer moves, in bytes: per outer reduction variable, and per step of the run.

    `lines` are the cache lines that each round asks for; none if the pointer is read.
    """

    axes: tuple[int, ...]
    step: int
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Walk:
    """Outer variables of extents `axes`, and in them a run of `steps` steps.

    The run is walked in `stretches` of equal length side by side, each of which carries its part
    of the values; the first takes the steps that are left. `unrolled` steps of each make a round;
    another step takes the `short` elements that are left, if any. The first streams are those of
    A and B.
    """

    axes: tuple[int, ...]
    steps: int
    streams: tuple[Stream, ...]
    unrolled: int = 1
    short: int = 0
    stretches: int = 1

    @property
    def stretch(self) -> int:
        """Steps of a stretch."""
        return self.steps // self.stretches

    @property
    def rounds(self) -> int:
        """Rounds of a stretch, of which the last may be shorter."""
        return -(-(self.stretch + (self.short > 0)) // self.unrolled)

    def emit(self, code: Code, start: Cursor, carried: Carried, add: Add) -> Carried:
        """All steps from `start` on; returns what the last one gave."""
        return self._axis(code, 0, start, carried, add)

    def part(self, code: Code, start: Cursor, part: Value, parts: int) -> tuple[Walk, Cursor]:
        """One of `parts` equal parts of the walk, and where it starts.

        Those of a walk with outer variables are as many as the outermost has values, or a
        multiple of that.
        """
        if not self.axes:
            steps = self.steps // parts
            strides = [steps * stream.step for stream in self.streams]
            return replace(self, steps=steps), _moved(code, start, part, strides)
        outer, *inner = self.axes
        each = parts // outer
        index = code.binary("udiv", part, integer(each))
        cursor = _moved(code, start, index, [stream.axes[0] for stream in self.streams])
        streams = tuple(replace(stream, axes=stream.axes[1:]) for stream in self.streams)
        walk = replace(self, axes=tuple(inner), streams=streams)
        if each == 1:
            return walk, cursor
        return walk.part(code, cursor, code.binary("urem", part, integer(each)), each)

    def _axis(self, code: Code, axis: int, cursor: Cursor, carried: Carried, add: Add) -> Carried:
        """The loops over outer variables from number `axis` on, and the run in them."""
        if axis == len(self.axes):
            return self._run(code, cursor, carried, add)
        strides = [stream.axes[axis] for stream in self.streams]
        return repeat(
            code,
            self.axes[axis],
            carried,
            lambda i, now: self._axis(code, axis + 1, _moved(code, cursor, i, strides), now, add),
        )

    def _run(self, code: Code, cursor: Cursor, carried: Carried, add: Add) -> Carried:
        """The innermost loop, and the steps that do not fill a round of it."""
        rounds = self.stretch // self.unrolled
        strides = [self.unrolled * stream.step for stream in self.streams]

        def one_round(index: Value, now: Carried) -> Carried:
            here = _moved(code, cursor, index, strides)
            for step in range(self.unrolled):
                self._ask(code, here, step)
                now = self._abreast(code, here, step, now, add)
            return now

        if rounds:
            carried = repeat(code, rounds, carried, one_round)
        for step in range(rounds * self.unrolled, self.stretch):
            carried = self._abreast(code, cursor, step, carried, add)
        first, *others = divided(carried, self.stretches)
        for step in range(self.stretches * self.stretch, self.steps):
            first = self._step(code, cursor, step, first, add)
        if self.short:
            first = self._step(code, cursor, self.steps, first, add, short=self.short)
        return [*first, *itertools.chain(*others)]

    def _abreast(self, code: Code, cursor: Cursor, step: int, now: Carried, add: Add) -> Carried:
        """The step `step` steps after `cursor`, and the same one of all other stretches."""
        found: Carried = []
        for number, own in enumerate(divided(now, self.stretches)):
            found += self._step(code, cursor, number * self.stretch + step, own, add)
        return found

    def _step(
        self,
        code: Code,
        cursor: Cursor,
        step: int,
        now: Carried,
        add: Add,
        short: int = 0,
    ) -> Carried:
        """The step `step` steps after `cursor`."""
        at = tuple(
            moved(code, pointer, step * stream.step)
            for pointer, stream in zip(cursor, self.streams, strict=True)
        )
        return add(at, step, now, short=short)

    def _ask(self, code: Code, cursor: Cursor, step: int) -> None:
        """Ask in step `step` for its share of the lines of the round that starts at `cursor`."""
        for pointer, stream in zip(cursor, self.streams, strict=True):
            length = self.stretch * stream.step
            for line in range(stream.lines):
                if line * self.unrolled // stream.lines == step:
                    for number in range(self.stretches):
                        ask_for(code, moved(code, pointer, line * LINE + number * length))


def divided(values: Carried, count: int) -> list[Carried]:
    """`values` in `count` pieces of equal length."""
    size = len(values) // count
    return [values[number * size : (number + 1) * size] for number in range(count)]


def repeat(
    code: Code, extent: int, carried: Carried, body: Callable[[Value, Carried], Carried]
) -> Carried:
    """`for i in range(extent): carried = body(i, carried)`, with `carried` in registers."""
    if extent == 1:
        return body(integer(0), carried)
    before, label, done = code.block, code.fresh("sums"), code.fresh("summed")
    code.branch(label)
    code.start(label)
    place = len(code.lines)
    first = (integer(0), *carried)
    index, *now = (replace(old, text=f"%{code.fresh('k')}") for old in first)
    results = body(index, now)
    following = code.binary("add nuw nsw", index, integer(1))
    again = code.compare("icmp ult", following, integer(extent))
    latch = code.block
    code.branch_if(again, label, done)
    code.lines[place:place] = [
        f"  {phi.text} = phi {phi.type} [ {old.text}, %{before} ], [ {new.text}, %{latch} ]"
        for phi, old, new in zip((index, *now), first, (following, *results), strict=True)
    ]
    code.start(done)
    return results


def moved(code: Code, pointer: Value, distance: Value | int) -> Value:
    """The address `distance` bytes on; it may lie outside of any buffer if it is not read."""
    if distance == 0:
        return pointer
    return code.value(f"getelementptr i8, {pointer}, {integer(distance)}", "ptr")


def _moved(code: Code, cursor: Cursor, index: Value, strides: Sequence[int]) -> Cursor:
    """Each pointer moved by `index` times its stride in bytes."""
    return tuple(
        moved(code, pointer, code.binary("mul nsw", index, integer(stride)))
        for pointer, stride in zip(cursor, strides, strict=True)
    )


def ask_for(code: Code, pointer: Value) -> None:
    """Start to bring a line to the second-level cache; harmless wherever it points."""
    read, level, data = (literal(number, "i32") for number in (0, 2, 1))
    code.run("llvm.prefetch.p0", pointer, read, level, data)
