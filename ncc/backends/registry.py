"""The backends, and which of them compiles for a target."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.backend import compile_segments, kernels_by_samples
from ncc.backends.cpu.codegen import disassemble, read_kernels
from ncc.backends.cpu.rules import pattern, refusal, ungrouped
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import TARGETS, host_flags, resolve
from ncc.backends.interface import Backend, Target
from ncc.passes.groups import Pattern

BACKENDS: Sequence[Backend] = (
    Backend(
        targets=TARGETS,
        resolve=resolve,
        host=host_flags,
        takes=lambda op: pattern(op) is not Pattern.opaque,
        refusal=refusal,
        ungrouped=ungrouped,
        kernels=kernels_by_samples,
        weights=WeightTable,
        compile_segments=compile_segments,
        read_kernels=read_kernels,
        disassemble=disassemble,
    ),
)
"""The first one also answers for "native", and for names that nobody knows."""


def resolve_all(names: str) -> tuple[Target, ...]:
    """The targets of a list such as "x86-64-v3,x86-64-v4", each once, best first.

    NccError "unknown-target" (usage), or "unsupported-host" (incompatible) for "native".
    """
    found = {_owner(name.strip()).resolve(name.strip()).name for name in names.split(",")}
    known = [target for backend in BACKENDS for target in backend.targets.values()]
    return tuple(target for target in reversed(known) if target.name in found)


def backend_of(target: Target) -> Backend:
    """The backend that compiles for `target`."""
    return _owner(target.name)


def _owner(name: str) -> Backend:
    return next((backend for backend in BACKENDS if name in backend.targets), BACKENDS[0])
