"""Where the elements of a value lie: a memory, an offset, and a stride per axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ncc.ir.types import DType, TensorType


class Space(Enum):
    """What the base address of a memory is relative to."""

    arena = "arena"
    weights = "weights"
    io = "io"


@dataclass(eq=False)
class Memory:
    """A run of bytes. `where` is the io index, or the offset in its space once planned."""

    space: Space
    nbytes: int
    where: int = -1


@dataclass(frozen=True, slots=True)
class View:
    """Element `i` of a value is at `offset + sum(i[axis] * strides[axis])`, in elements."""

    memory: Memory
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def low(self) -> int:
        """The lowest element that the view reaches."""
        back = zip(self.shape, self.strides, strict=True)
        return self.offset + sum((n - 1) * s for n, s in back if s < 0 and n)

    @property
    def span(self) -> int:
        """Elements from the lowest to the highest reached, both included; 0 when empty."""
        if not self.size:
            return 0
        return 1 + sum((n - 1) * abs(s) for n, s in zip(self.shape, self.strides, strict=True))

    def transposed(self, perm: Sequence[int]) -> View:
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in perm),
            strides=tuple(self.strides[axis] for axis in perm),
        )

    def sliced(self, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> View:
        moved = sum(start * s for start, s in zip(starts, self.strides, strict=True))
        return replace(
            self,
            shape=tuple(sizes),
            strides=tuple(step * s for step, s in zip(steps, self.strides, strict=True)),
            offset=self.offset + moved if all(sizes) else self.offset,
        )

    def broadcast(self, shape: Sequence[int]) -> View:
        """Repeated along axes of size 1 and new leading axes, without copies."""
        missing = len(shape) - len(self.shape)
        held = zip((1,) * missing + self.shape, (0,) * missing + self.strides, shape, strict=True)
        strides = tuple(0 if have != want or have == 1 else s for have, s, want in held)
        return replace(self, shape=tuple(shape), strides=strides)

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """The same elements in the same order under another shape; None if it needs a copy."""
        if not self.size:
            return replace(self, shape=tuple(shape), strides=dense_strides(shape))
        held = runs(self.shape, self.strides)
        strides: list[int] = []
        for size in reversed(shape):
            if size == 1:
                strides.append(0)
                continue
            if held and held[-1][0] == 1:
                held.pop()
            if not held or held[-1][0] % size:
                return None
            extent, stride = held.pop()
            strides.append(stride)
            held.append((extent // size, stride * size))
        return replace(self, shape=tuple(shape), strides=tuple(reversed(strides)))

    def anew(self) -> View:
        """The same shape without gaps, in memory of its own."""
        return dense_view(self.dtype, self.shape)

    def split(self, axis: int, sizes: tuple[int, int]) -> View:
        """Axis of size a*b as two axes (a, b); an axis of size 1 as (1, 1)."""
        outer, inner = sizes if self.shape[axis] != 1 else (1, 1)
        stride = self.strides[axis]
        return replace(
            self,
            shape=(*self.shape[:axis], outer, inner, *self.shape[axis + 1 :]),
            strides=(*self.strides[:axis], stride * inner, stride, *self.strides[axis + 1 :]),
        )

    def is_dense(self, order: Sequence[int] | None = None) -> bool:
        """Whether the elements follow each other without gaps, axes slowest first in `order`."""
        order = range(len(self.shape)) if order is None else order
        expected = 1
        for axis in reversed(list(order)):
            if self.shape[axis] != 1 and self.strides[axis] != expected:
                return not self.size
            expected *= self.shape[axis]
        return True


def runs(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(extent, stride) per run of axes that one stride walks, slowest first; no axes of size 1."""
    found: list[tuple[int, int]] = []
    for extent, stride in zip(shape, strides, strict=True):
        if extent == 1:
            continue
        if found and found[-1][1] == stride * extent:
            found[-1] = (found[-1][0] * extent, stride)
        else:
            found.append((extent, stride))
    return found


def dense_strides(shape: Sequence[int], order: Sequence[int] | None = None) -> tuple[int, ...]:
    """Strides without gaps, axes slowest first in `order` (default: as they stand)."""
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(list(range(len(shape)) if order is None else order)):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def dense_view(dtype: DType, shape: Sequence[int], order: Sequence[int] | None = None) -> View:
    """A new memory in the arena, without gaps, axes slowest first in `order`."""
    memory = Memory(Space.arena, math.prod(shape) * dtype.itemsize)
    return View(memory, dtype, tuple(shape), dense_strides(shape, order))


def io_view(type: TensorType, index: int) -> View:
    """A dense input or output of a segment."""
    memory = Memory(Space.io, type.nbytes, index)
    return View(memory, type.dtype, type.dims, dense_strides(type.dims))


def same_elements(a: View, b: View) -> bool:
    """Whether two views of one shape reach the same elements; strides along size 1 are free."""
    strides = zip(a.shape, a.strides, b.strides, strict=True)
    return (
        a.memory is b.memory
        and a.offset == b.offset
        and all(left == right for size, left, right in strides if size > 1)
    )
