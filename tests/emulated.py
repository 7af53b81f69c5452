"""Machine code for aarch64, run by an emulator: a bundle becomes a program that needs no system.

The program is a static ELF file of three segments: the code of the bundle; a start, made here,
that calls it on one core or with a second thread as a worker; and all memory. It writes its
outputs to the standard output and ends.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ncc.backends.cpu.objects.elf import Object, Section, Symbol, read_object
from ncc.backends.cpu.objects.image import place
from ncc.backends.cpu.objects.llvm import compile_text
from ncc.backends.cpu.target import TARGETS
from ncc.neff.format import Variant
from ncc.neff.reader import open_bundle
from ncc.runtime.tensors import numpy_dtype

Array = npt.NDArray[Any]

EMULATOR = shutil.which("qemu-aarch64") or ""
needs_emulator = pytest.mark.skipif(not EMULATOR, reason="no qemu-aarch64: install qemu-user")

CODE, START, DATA = 0x1000_0000, 0x2000_0000, 0x4000_0000
"""Addresses of the segments."""
PAGE, ALIGN = 4096, 64
STACK_BYTES, SYNC_BYTES = 1 << 20, 256
SLOT, SLOT_BYTES = 128, 128
"""Where the only slot of a team is, and its size."""

MACHINE = 183
SYSTEM_CALLS = {
    # mov x8, x3; svc 0; ret
    "system": "e80303aa 010000d4 c0035fd6",
    # mov x8, 220; svc 0; cbnz x0, end; mov x0, x5; blr x6; end: ret
    "thread": "881b80d2 010000d4 600000b5 e00305aa c0003fd6 c0035fd6",
}
"""Functions that LLVM has no words for; `thread` calls x6 with x5 in a thread of its own."""
WRITE, EXIT_GROUP = 64, 94
THREAD_FLAGS = 0x50F00
"""Of clone(2): VM, FS, FILES, SIGHAND, THREAD, SYSVSEM."""


class Memory:
    """The data of the program, written part by part."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def put(self, content: bytes, align: int = ALIGN) -> int:
        """The address where `content` will be."""
        self.bytes.extend(bytes(-len(self.bytes) % align))
        address = DATA + len(self.bytes)
        self.bytes.extend(content)
        return address

    def words(self, *numbers: int) -> int:
        return self.put(struct.pack(f"<{len(numbers)}Q", *numbers))


def run_emulated(
    path: Path, target: str, inputs: Sequence[Array], *, cores: int = 1
) -> list[Array]:
    """The outputs of the variant for `target` of a bundle that is one device segment.

    The arena is filled with NaN bits first.
    """
    with open_bundle(path) as bundle:
        variant = next(v for v in bundle.manifest.variants if v.target == target)
        code, weights = bundle.read(variant.code), bundle.read(variant.weights)
    (program,) = variant.programs
    (segment,) = program.segments
    outputs = [program.values[index] for index in program.outputs]
    made = [np.zeros(spec.shape or (), numpy_dtype(spec.dtype)) for spec in outputs]
    memory = Memory()
    givens = [memory.put(np.ascontiguousarray(array).tobytes()) for array in inputs]
    places = [memory.put(array.tobytes()) for array in made]
    held = dict(zip((*program.inputs, *program.outputs), (*givens, *places), strict=True))
    pointers = [held[number] for number in (*segment.inputs, *segment.outputs)]
    call, team = _call(memory, variant, weights, pointers, cores)
    sizes = [array.nbytes for array in made]
    text = _start(memory, variant, call, team if cores > 1 else None, places, sizes)
    program_file = path.with_suffix(f".{target}.elf")
    program_file.write_bytes(_executable(code, text, memory))
    program_file.chmod(0o755)
    done = subprocess.run(
        [EMULATOR, "-cpu", "max", program_file], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace") or done.returncode
    return _arrays(done.stdout, made)


def _arrays(data: bytes, like: Sequence[Array]) -> list[Array]:
    ends = np.cumsum([0, *(array.nbytes for array in like)])
    assert len(data) == ends[-1]
    return [
        np.frombuffer(data[start:end], array.dtype).reshape(array.shape)
        for array, start, end in zip(like, ends[:-1], ends[1:], strict=True)
    ]


def _call(
    memory: Memory, variant: Variant, weights: bytes, pointers: Sequence[int], cores: int
) -> tuple[int, int]:
    """The addresses of a call and of its team of one worker: docs/neff.md, "Cores"."""
    (program,) = variant.programs
    (segment,) = program.segments
    team = memory.put(struct.pack("<Q", cores - 1).ljust(SLOT, b"\0"), align=PAGE)
    memory.put(struct.pack("<I", 1).ljust(SLOT_BYTES, b"\0"), align=1)
    io = memory.words(0, *pointers) + 8
    sync = memory.put(bytes(SYNC_BYTES))
    held = memory.put(weights, align=PAGE)
    arena = memory.put(b"\xff" * program.arena_bytes, align=PAGE)
    call = memory.words(CODE + segment.entry, arena, held, io, sync, team, cores, 0)
    return call, team


def _start(
    memory: Memory,
    variant: Variant,
    call: int,
    team: int | None,
    places: Sequence[int],
    sizes: Sequence[int],
) -> str:
    """The first function of the program: make the worker, run the call, write the outputs."""
    worker = ""
    if team is not None:
        stack = memory.put(bytes(STACK_BYTES)) + STACK_BYTES
        arguments = [THREAD_FLAGS, stack, 0, 0, 0, team + SLOT, CODE + variant.serve]
        worker = f"call i64 @thread({', '.join(f'i64 {number}' for number in arguments)})"
    writes = "\n  ".join(
        f"call i64 @system(i64 1, i64 {place}, i64 {size}, i64 {WRITE})"
        for place, size in zip(places, sizes, strict=True)
    )
    return f"""
target triple = "{TARGETS["aarch64"].triple}"
declare i64 @system(i64, i64, i64, i64)
declare i64 @thread(i64, i64, i64, i64, i64, i64, i64)
define void @_start() noinline {{
  {worker}
  %run = inttoptr i64 {CODE + variant.run} to ptr
  call void %run(i64 {call})
  {writes}
  call i64 @system(i64 0, i64 0, i64 0, i64 {EXIT_GROUP})
  ret void
}}
"""


def _executable(code: bytes, start: str, memory: Memory) -> bytes:
    """An ELF file: System V ABI, chapters 4 and 5."""
    calls = [
        Object(
            MACHINE,
            {0: Section(".text", bytes.fromhex(text), 16, ())},
            (Symbol(name, 0, 0, len(bytes.fromhex(text)), is_function=True),),
        )
        for name, text in SYSTEM_CALLS.items()
    ]
    own = read_object(compile_text(start, TARGETS["aarch64"]))
    image = place([("", own), *(("", object) for object in calls)])
    parts = [(CODE, code, 5), (START, image.data, 5), (DATA, bytes(memory.bytes), 6)]
    entry = START + image.functions["_start"].offset
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    counts = (0, 64, 56, len(parts), 64, 0, 0)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, MACHINE, 1, entry, 64, 0, *counts)
    offset = PAGE
    table, body = b"", b""
    for address, content, access in parts:
        size = len(content)
        table += struct.pack(
            "<IIQQQQQQ", 1, access, offset + len(body), address, address, size, size, PAGE
        )
        body += content + bytes(-size % PAGE)
    return (header + table).ljust(offset, b"\0") + body
