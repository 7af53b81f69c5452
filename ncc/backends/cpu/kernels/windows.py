"""Small neighbourhoods from which each result is computed: what pooling and convolutions share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.evaluate import Scope
from ncc.backends.cpu.kernels.space import Names, Operand
from ncc.backends.cpu.loopir.loops import Buffer, Expr, For, Stmt, Var, const
from ncc.backends.cpu.storage.views import View
from ncc.ir.graph import Node

UNROLL = 49
"""Taps up to which a window is written out."""

Bound = tuple[Buffer, int]
Steps = tuple[int, ...]
"""Along each spatial axis."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the results that are computed together, so many steps from the first."""

    scope: Scope
    steps: Steps


class Window:
    """Computes elements of a node from the taps of its window."""

    operands: list[Operand]

    def __init__(
        self,
        node: Node,
        kernel: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        self.node = node
        self.kernel = tuple(kernel)
        self.strides = tuple(strides)
        self.dilations = tuple(dilations)
        rank = len(self.kernel)
        self.looped = next(n for n in range(rank + 1) if math.prod(self.kernel[n:]) <= UNROLL)
        """Axes, from the first, whose taps are a loop."""

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        """Take the buffers and views of the node's operands."""
        raise NotImplementedError

    def write(self, places: Sequence[Place], names: Names) -> list[Expr]:
        """Append the sweep over the taps; the element at each of `places`, in its own type.

        Their scopes share one block of statements.
        """
        raise NotImplementedError

    def view(self, index: int, view: View) -> View:
        """The memory that the node reads through operand `index`."""
        return view

    def near(self, places: Sequence[Place]) -> Iterator[tuple[Steps, list[tuple[int, Steps]]]]:
        """What any of `places` sees, as steps in the operand from what the first one sees first.

        With each, the places that see it and through which taps; those of a place come in order.
        Along axes whose taps are a loop, all of that is for the tap that the loop is at.
        """
        kernel = [n if axis >= self.looped else 1 for axis, n in enumerate(self.kernel)]
        found: dict[Steps, list[tuple[int, Steps]]] = {}
        for index, place in enumerate(places):
            for tap in itertools.product(*map(range, kernel)):
                moved = zip(place.steps, self.strides, tap, self.dilations, strict=True)
                seen = tuple(steps * by + n * apart for steps, by, n, apart in moved)
                found.setdefault(seen, []).append((index, tap))
        return iter(sorted(found.items()))

    def loops(self, names: Names) -> list[Expr]:
        """Which tap a loop is at along each axis: 0 where there is none."""
        return [names.var() if axis < self.looped else const(0) for axis in range(len(self.kernel))]

    def sweep(self, taps: Sequence[Expr], stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """`stmts` for every tap of the axes that are loops."""
        body = tuple(stmts)
        for var, extent in reversed(list(zip(taps, self.kernel, strict=True))):
            body = (For(var, extent, body),) if isinstance(var, Var) else body
        return body


def distance(steps: Sequence[Expr | int], strides: Sequence[int]) -> Expr:
    """Elements between two indices that are so many steps apart."""
    total: Expr = const(0)
    for count, stride in zip(steps, strides, strict=True):
        total = total + count * stride
    return total
