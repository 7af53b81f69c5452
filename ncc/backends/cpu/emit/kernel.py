"""The LLVM module of one kernel."""

from __future__ import annotations

from ncc.backends.cpu.emit.code import integer
from ncc.backends.cpu.emit.function import FunctionEmitter
from ncc.backends.cpu.loopir.aliasing import shareable
from ncc.backends.cpu.loopir.loops import Kernel, is_shared
from ncc.backends.cpu.target import Target


def emit_kernel(kernel: Kernel, target: Target, name: str) -> str:
    """A module that defines `void name(ptr per parameter.., i64 core, i64 cores)`.

    Each core does its part of the parallel loop; without one, core 0 does everything.
    """
    fn = FunctionEmitter(kernel, target)
    fn.code.start("start")
    if any(map(is_shared, kernel.body)):
        fn.statements(kernel.body)
    else:
        with fn.code.when(fn.code.compare("icmp eq", fn.core, integer(0))):
            fn.statements(kernel.body)
    return "\n".join(
        [
            f'target triple = "{target.triple}"',
            *fn.code.module,
            f"define void @{name}({_parameters(kernel)}) #0 {{",
            "entry:",
            *fn.code.allocations,
            "  br label %start",
            *fn.code.lines,
            "  ret void",
            "}",
            f"attributes #0 = {{ {attributes(target)} }}",
            "",
        ]
    )


def _parameters(kernel: Kernel) -> str:
    """Pointers are aligned to their elements; those that may be equal are not `noalias`."""
    pairs = shareable(kernel)
    shared = {position for pair in pairs for position in pair}
    pointers = [
        f"ptr {'' if i in shared else 'noalias '}align {buffer.dtype.itemsize} %p{i}"
        for i, buffer in enumerate(kernel.params)
    ]
    return ", ".join([*pointers, "i64 %core", "i64 %cores"])


def attributes(target: Target) -> str:
    """What LLVM must know about every function: never more than the target has."""
    pairs = {
        "target-cpu": target.cpu,
        "target-features": target.features,
        "prefer-vector-width": str(target.vector_bits),
        "probe-stack": "inline-asm",
    }
    texts = [f'"{key}"="{value}"' for key, value in pairs.items() if value]
    return " ".join(["nounwind", '"no-builtins"', *texts])
