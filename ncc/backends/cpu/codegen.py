"""Kernels to one image: each distinct kernel is compiled once, entries call them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ncc.backends.artifact import Listing
from ncc.backends.cpu.driver import Call, emit_entries
from ncc.backends.cpu.emit.fingerprint import FINGERPRINT, fingerprint_module
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.emit.system import system_object
from ncc.backends.cpu.emit.team import RUN, SERVE
from ncc.backends.cpu.emit.yardstick import FUNCTION as YARDSTICK
from ncc.backends.cpu.emit.yardstick import Yardstick
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.cpu.loopir.verify import verify_kernel
from ncc.backends.cpu.objects.elf import Object, read_object
from ncc.backends.cpu.objects.image import Extent, place
from ncc.backends.cpu.objects.llvm import assembly, compile_calls, compile_text
from ncc.backends.cpu.objects.workers import compile_texts
from ncc.backends.cpu.target import Target

_FUNCTION = "kernel"
"""What the function of every object is called; its place in the image prefixes the name."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Distinct objects, and for each kernel the position of its own."""

    objects: tuple[Object, ...]
    index: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Executable:
    """An image with the offset of each entry and the extent of each kernel's code.

    `serve` and `run` are the offsets of the functions of `emit.team`, `fingerprint` that of
    `emit.fingerprint`, `timed` those of entries that write down times, `yardsticks` those of what
    kernels are measured against.
    """

    data: bytes
    serve: int
    run: int
    fingerprint: int
    entries: tuple[int, ...]
    timed: tuple[int, ...]
    yardsticks: tuple[int, ...]
    kernels: tuple[Extent, ...]


def compile_kernels(
    kernels: Sequence[Kernel], target: Target, *, jobs: int | None = None
) -> Compiled:
    """Machine code of `kernels`; those with the same code share an object.

    `jobs` processes at most, by default as many as this one has cores; the result is the same.
    """
    for kernel in kernels:
        verify_kernel(kernel)
    positions: dict[str, int] = {}
    index = [
        positions.setdefault(emit_kernel(kernel, target, _FUNCTION), len(positions))
        for kernel in kernels
    ]
    compiled = compile_texts(list(positions), target, jobs or len(os.sched_getaffinity(0)))
    return Compiled(tuple(map(read_object, compiled)), tuple(index))


def listing(kernel: Kernel, target: Target) -> str:
    """The assembly of `kernel`, for people."""
    return assembly(emit_kernel(kernel, target, _FUNCTION), target)


def link(
    compiled: Compiled,
    entries: Sequence[Sequence[Call]],
    target: Target,
    measures: Sequence[Yardstick] = (),
) -> Executable:
    """One position-independent image; calls number kernels as `compile_kernels` had them."""
    prefixes = [f"{i}." for i in range(len(compiled.objects))]
    functions = [f"{prefixes[i]}{_FUNCTION}" for i in compiled.index]
    driver = read_object(compile_calls(emit_entries(entries, functions, target), target))
    kernels = zip(prefixes, compiled.objects, strict=True)
    scales = [
        (f"{measure.name}.", read_object(compile_text(measure.text, target)))
        for measure in measures
    ]
    hashing = read_object(compile_text(fingerprint_module(target), target))
    image = place([*kernels, ("", driver), ("", system_object(target)), ("", hashing), *scales])
    return Executable(
        image.data,
        image.functions[SERVE].offset,
        image.functions[RUN].offset,
        image.functions[FINGERPRINT].offset,
        tuple(image.functions[f"entry.{i}"].offset for i in range(len(entries))),
        tuple(image.functions[f"timed.{i}"].offset for i in range(len(entries))),
        tuple(image.functions[f"{prefix}{YARDSTICK}"].offset for prefix, _ in scales),
        tuple(image.functions[name] for name in functions),
    )


def disassemble(kernel: Kernel, target: Target) -> Listing:
    """Code and constants of a verified kernel, byte for byte as an image of `link` holds them."""
    text = emit_kernel(kernel, target, _FUNCTION)
    image = place([("", read_object(compile_text(text, target)))])
    code = image.functions[_FUNCTION]
    return Listing(to_text(kernel), assembly(text, target), image.data, code.offset, code.size)


def read_kernels(text: str) -> tuple[Kernel, ...]:
    """Verified kernels from text that a bundle holds; NccError or AssertionError if it is none."""
    kernels = parse(text)
    for kernel in kernels:
        verify_kernel(kernel)
    return kernels
