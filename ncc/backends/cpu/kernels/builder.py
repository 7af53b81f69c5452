"""Kernels under construction: parameters from views, and the call that passes them."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.kernels.space import Names
from ncc.backends.cpu.loopir.loops import Buffer, Kernel, Role, Stmt
from ncc.backends.cpu.storage.views import Memory, View
from ncc.diagnostics import Locs
from ncc.ir.graph import Node
from ncc.ir.types import DType


@dataclass(frozen=True, slots=True)
class Pointer:
    """An argument of a call: `offset` bytes into a memory, of which `nbytes` may be touched.

    Writes through different arguments to one memory are of different elements, except after one
    that `clears` it for the others.
    """

    memory: Memory
    offset: int
    nbytes: int
    writes: bool
    clears: bool = False


def pointer_to(view: View, role: Role, after: int = 0) -> Pointer:
    """What `view` reaches, and `after` more elements."""
    size = view.dtype.itemsize
    writes = role is Role.output
    return Pointer(view.memory, view.low * size, (view.span + after) * size, writes)


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a kernel, with the source nodes that it computes and their arithmetic.

    `root` is the product that the kernel is built around, if it is.
    """

    kernel: Kernel
    pointers: tuple[Pointer, ...]
    locs: Locs = ()
    flops: int = 0
    root: Node | None = None


class KernelBuilder:
    """Collects the parameters of one kernel. Names are by position, so equal kernels are equal."""

    def __init__(self) -> None:
        self.names = Names()
        self.params: list[Buffer] = []
        self.pointers: list[Pointer] = []
        self.scratch: list[Buffer] = []

    def bind(self, view: View, role: Role, after: int = 0) -> tuple[Buffer, int]:
        """A parameter for `view`, and the element of it where the view's index 0 lies.

        It holds `after` more elements than the view reaches.
        """
        buffer = Buffer(f"p{len(self.params)}", view.dtype, view.span + after, role)
        self.params.append(buffer)
        self.pointers.append(pointer_to(view, role, after))
        return buffer, view.offset - view.low

    def allocate(self, dtype: DType, size: int) -> Buffer:
        """A scratch buffer on the stack of each core."""
        buffer = Buffer(f"s{len(self.scratch)}", dtype, size, Role.scratch)
        self.scratch.append(buffer)
        return buffer

    def finish(self, body: tuple[Stmt, ...], locs: Locs = (), flops: int = 0) -> Call:
        """The call of the finished kernel."""
        kernel = Kernel("kernel", tuple(self.params), tuple(self.scratch), body)
        return Call(kernel, tuple(self.pointers), locs, flops)
