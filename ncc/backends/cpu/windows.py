"""Small neighbourhoods from which each result is computed: what pooling and convolutions share."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.evaluate import Scope
from ncc.backends.cpu.loops import Buffer, Expr, For, Kind, Stmt, Var
from ncc.backends.cpu.space import Names, Operand
from ncc.backends.cpu.views import View
from ncc.ir.graph import Node

UNROLL = 25
"""Taps up to which a window is written out."""

Bound = tuple[Buffer, int]


class Window:
    """Computes elements of a node from the taps of its window."""

    operands: list[Operand]
    pinned: frozenset[int] = frozenset()
    """Axes of the domain whose own index is needed: they must not be joined with others."""

    def __init__(self, node: Node, kernel: Sequence[int]) -> None:
        self.node = node
        self.kernel = tuple(kernel)
        sizes = node.result.tensor.dims
        moving = [axis for axis in range(2, len(sizes)) if sizes[axis] > 1]
        self.tile_axis = moving[-1] if moving else None
        """The axis along which neighbouring results share what they load."""

    def bind(self, bound: Sequence[Bound], views: Sequence[View]) -> None:
        """Take the buffers and views of the node's operands."""
        raise NotImplementedError

    def write(self, scopes: Sequence[Scope], names: Names) -> list[Expr]:
        """Append the sweep over the taps; the element at each of `scopes`, in its own type.

        The scopes share one block of statements.
        """
        raise NotImplementedError

    def view(self, index: int, view: View) -> View:
        """The memory that the node reads through operand `index`."""
        return view

    def sweep(self, taps: Sequence[Var], stmts: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """`stmts` for every tap; the inner loops are written out."""
        body = tuple(stmts)
        copies = 1
        for var, extent in reversed(list(zip(taps, self.kernel, strict=True))):
            copies *= extent
            body = (For(var, extent, body, Kind.unrolled if copies <= UNROLL else Kind.serial),)
        return body


def distances(places: Sequence[Expr], strides: Sequence[int]) -> list[Expr]:
    """Elements from index 0 to `places`, one for each axis."""
    return [place * stride for place, stride in zip(places, strides, strict=True)]
