"""Kernels to objects, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.llvm import compile_text
from ncc.backends.cpu.loops import Kernel
from ncc.backends.cpu.target import Target

FUNCTION = "kernel"
"""What the function of every object is called; the linker prefixes it."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Distinct objects, and for each kernel the position of its own."""

    objects: tuple[bytes, ...]
    index: tuple[int, ...]


def compile_kernels(kernels: Sequence[Kernel], target: Target) -> Compiled:
    """Machine code of `kernels`; those with the same code share an object."""
    positions: dict[str, int] = {}
    index = [
        positions.setdefault(emit_kernel(kernel, target, FUNCTION), len(positions))
        for kernel in kernels
    ]
    return Compiled(tuple(compile_text(text, target) for text in positions), tuple(index))
