"""Iteration spaces: the axes of a domain joined into as few loops as its operands allow."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.loopir.loops import Buffer, Expr, For, Kind, Load, Stmt, Store, Var, const
from ncc.backends.cpu.storage.views import View


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop over joined axes of the domain; axes of different kinds are never joined."""

    extent: int
    kind: Hashable
    axes: tuple[int, ...]

    @property
    def fastest(self) -> int:
        """The axis whose stride is the stride of the loop."""
        return self.axes[-1]


class Operand:
    """A buffer of a kernel and how an index of the domain selects an element of it."""

    def __init__(self, buffer: Buffer, base: int, strides: Sequence[int]) -> None:
        self.buffer = buffer
        self.base = base
        self.strides = tuple(strides)

    def stride(self, loop: Loop) -> int:
        """Elements between neighbours along `loop`."""
        return self.strides[loop.fastest]

    def index(self, at: dict[Loop, Expr], *extra: Expr) -> Expr:
        """The element at the given loop indices, `extra` elements further."""
        total: Expr = const(self.base)
        for loop, position in at.items():
            total = total + position * self.stride(loop)
        for more in extra:
            total = total + more
        return total

    def load(self, at: dict[Loop, Expr], *extra: Expr) -> Load:
        return Load(self.buffer, self.index(at, *extra))

    def store(self, at: dict[Loop, Expr], value: Expr) -> Store:
        return Store(self.buffer, self.index(at), value)


def aligned_strides(view: View, domain: Sequence[int]) -> tuple[int, ...]:
    """Strides of `view` over the axes of `domain`, under broadcasting."""
    return view.broadcast([1] * (len(domain) - len(view.shape)) + list(view.shape)).strides


def join_axes(
    domain: Sequence[int],
    kinds: Sequence[Hashable],
    operands: Sequence[Operand],
    reference: Operand,
) -> list[Loop]:
    """Loops over `domain`, slowest first as `reference` lies in memory.

    Neighbouring axes of one kind become one loop where every operand walks both with one stride.
    """
    axes = [axis for axis, extent in enumerate(domain) if extent != 1]
    axes.sort(key=lambda axis: -abs(reference.strides[axis]))
    loops: list[Loop] = []
    for axis in axes:
        extent = domain[axis]
        if loops and loops[-1].kind == kinds[axis] and _joins(loops[-1], axis, extent, operands):
            last = loops.pop()
            loops.append(Loop(last.extent * extent, last.kind, (*last.axes, axis)))
        else:
            loops.append(Loop(extent, kinds[axis], (axis,)))
    return loops


def _joins(loop: Loop, axis: int, extent: int, operands: Sequence[Operand]) -> bool:
    return all(op.strides[loop.fastest] == op.strides[axis] * extent for op in operands)


class Names:
    """Fresh names within one kernel."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def var(self) -> Var:
        """A fresh loop variable."""
        return Var(self("i"))


def shared(position: Var, count: int, body: tuple[Stmt, ...]) -> For:
    """`body` for each position, shared by the cores if there are several."""
    return For(position, count, body, Kind.parallel if count > 1 else Kind.serial)


def flat_positions(loops: Sequence[Loop], position: Expr) -> dict[Loop, Expr]:
    """The index along each of `loops` (slowest first) of a position in their product."""
    found: dict[Loop, Expr] = {}
    for loop in reversed(loops[1:]):
        found[loop] = position % loop.extent
        position = position // loop.extent
    if loops:
        found[loops[0]] = position
    return found
