"""Bundles of a few kilobytes with real machine code, made without the compiler.

`product` gives y = reverse(x * w): each core writes its share of x * w to the arena, all meet at a
barrier, and each reads what others wrote. `gate` sets x[1 + core], spins until x[0] is not zero,
and gives in all of y how many cores took part: a call that lasts as long as a test wants.
`nothing` just returns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from ncc.backends.cpu.codegen import Compiled, link
from ncc.backends.cpu.target import TARGETS
from ncc.neff.format import (
    MAX_CORES,
    Kernel,
    Manifest,
    Program,
    Segment,
    TensorSpec,
    ValueSpec,
    Variant,
)
from ncc.neff.writer import Source, write
from ncc.runtime.tensors import Array

SIZE = 1000
WEIGHTS = (np.arange(SIZE, dtype=np.float32) - 300) / 7
MACHINE = os.uname().machine
TARGET, FEATURES = {"x86_64": ("x86-64", ("sse2",)), "aarch64": ("aarch64", ("asimd",))}[MACHINE]

YIELD = {
    "x86_64": 'call i64 asm sideeffect "syscall", "={rax},{rax},~{rcx},~{r11},~{memory}"(i64 24)',
    "aarch64": 'call i64 asm sideeffect "svc 0", "={x0},{x8},~{memory}"(i64 124)',
}[MACHINE]
"""The system call sched_yield, for tests with more cores than the machine has."""

HEAD = "define void @entry(ptr %arena, ptr %weights, ptr %io, ptr %sync, i64 %core, i64 %cores)"

PRODUCT = f"""
{HEAD} {{
start:
  %x = load ptr, ptr %io
  %out = getelementptr ptr, ptr %io, i64 1
  %y = load ptr, ptr %out
  br label %multiply
multiply:
  %i = phi i64 [ %core, %start ], [ %i1, %multiplied ]
  %more = icmp ult i64 %i, {SIZE}
  br i1 %more, label %multiplied, label %arrive
multiplied:
  %xp = getelementptr float, ptr %x, i64 %i
  %wp = getelementptr float, ptr %weights, i64 %i
  %ap = getelementptr float, ptr %arena, i64 %i
  %xv = load float, ptr %xp
  %wv = load float, ptr %wp
  %av = fmul float %xv, %wv
  store float %av, ptr %ap
  %i1 = add i64 %i, %cores
  br label %multiply
arrive:
  %before = atomicrmw add ptr %sync, i64 1 seq_cst
  br label %wait
wait:
  %arrived = load atomic i64, ptr %sync seq_cst, align 8
  %all = icmp uge i64 %arrived, %cores
  br i1 %all, label %reverse, label %yield
yield:
  %ignored = {YIELD}
  br label %wait
reverse:
  %j = phi i64 [ %core, %wait ], [ %j1, %reversed ]
  %left = icmp ult i64 %j, {SIZE}
  br i1 %left, label %reversed, label %end
reversed:
  %k = sub i64 {SIZE - 1}, %j
  %kp = getelementptr float, ptr %arena, i64 %k
  %yp = getelementptr float, ptr %y, i64 %j
  %kv = load float, ptr %kp
  store float %kv, ptr %yp
  %j1 = add i64 %j, %cores
  br label %reverse
end:
  ret void
}}
"""

GATE = f"""
{HEAD} {{
start:
  %x = load ptr, ptr %io
  %out = getelementptr ptr, ptr %io, i64 1
  %y = load ptr, ptr %out
  %count = sitofp i64 %cores to float
  %mine = add i64 %core, 1
  %started = getelementptr float, ptr %x, i64 %mine
  store volatile float 1.0, ptr %started
  br label %wait
wait:
  %seen = load volatile float, ptr %x
  %open = fcmp one float %seen, 0.0
  br i1 %open, label %fill, label %yield
yield:
  %ignored = {YIELD}
  br label %wait
fill:
  %i = phi i64 [ %core, %wait ], [ %i1, %filled ]
  %more = icmp ult i64 %i, {SIZE}
  br i1 %more, label %filled, label %end
filled:
  %yp = getelementptr float, ptr %y, i64 %i
  store float %count, ptr %yp
  %i1 = add i64 %i, %cores
  br label %fill
end:
  ret void
}}
"""

NOTHING = f"{HEAD} {{ ret void }}"


@cache
def image() -> tuple[bytes, dict[str, int]]:
    """The machine code of all kernels and of what all images hold, and where each starts."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    shared = link(Compiled((), ()), [], TARGETS["x86-64-v3"])
    code = shared.data
    entries = {"serve": shared.serve, "run": shared.run, "fingerprint": shared.fingerprint}
    for name, text in {"product": PRODUCT, "gate": GATE, "nothing": NOTHING}.items():
        code += b"\0" * (-len(code) % 64)
        entries[name] = len(code)
        code += assemble(text)
    return code, entries


def assemble(text: str) -> bytes:
    """The code of a module with one function and no constants."""
    machine = llvm.Target.from_default_triple().create_target_machine(opt=1, reloc="pic")
    module = llvm.parse_assembly(text)
    module.verify()
    compiled = llvm.ObjectFileRef.from_data(machine.emit_object(module))
    return b"".join(section.data() for section in compiled.sections() if section.is_text())


def source(name: str, kind: str, data: bytes) -> Source:
    """A section that is given in parts of 1000 bytes."""

    def parts() -> Iterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    return Source(name, kind, len(data), parts)


VECTOR = ValueSpec("f32", (SIZE,))


def call(kernel: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Segment:
    return Segment("device", image()[1][kernel], "", inputs, outputs, MAX_CORES)


def program(kernel: str = "product") -> Program:
    return Program({}, (VECTOR, VECTOR), (0,), (1,), (call(kernel, (0,), (1,)),), 4 * SIZE)


def manifest(kernel: str = "product") -> Manifest:
    """One input x, one output y, one variant for this machine."""
    made = program(kernel)
    spans = (Kernel(kernel, made.segments[0].entry, 64, 1, SIZE, 12 * SIZE, ("/mul",)),)
    code = image()[1]
    variant = Variant(
        TARGET,
        FEATURES,
        "code",
        "weights",
        code["serve"],
        code["run"],
        (made,),
        spans,
        fingerprint=code["fingerprint"],
    )
    return Manifest(
        producer="ncc 0.1.0",
        source="tiny.onnx",
        options={"target": TARGET, "opt": 2, "dims": [1, 2]},
        inputs=(TensorSpec("x", "f32", (SIZE,)),),
        outputs=(TensorSpec("y", "f32", (SIZE,)),),
        variants=(variant,),
        report={"ops": 2, "share": 0.5},
    )


def sources() -> list[Source]:
    return [
        source("code", "code", image()[0]),
        source("weights", "weights", WEIGHTS.tobytes()),
        source("loops", "debug", b"for i in 0..1000"),
    ]


def with_programs(
    programs: tuple[Program, ...], inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> Manifest:
    """A manifest with other programs and another interface."""
    base = manifest()
    variant = base.variants[0]._replace(programs=programs)
    return base._replace(variants=(variant,), inputs=inputs, outputs=outputs)


def save(path: Path, kernel: str = "product") -> Path:
    """Write the bundle of `kernel`."""
    write(path, manifest(kernel), sources())
    return path


def expected(x: Array) -> Array:
    """What `product` gives."""
    result: Array = (x * WEIGHTS)[::-1]
    return result
