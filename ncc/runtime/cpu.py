"""What the CPU of this machine can do, and which variant of a bundle suits it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from ncc.neff.errors import incompatible
from ncc.neff.format import Variant

MACHINES = {"x86-64": "x86_64", "aarch64": "aarch64"}
"""The machine, as the system names it, by how the name of a target starts."""

CPUINFO = "/proc/cpuinfo"

MATRIX_REGISTERS = frozenset({"amx_tile", "amx_bf16", "amx_int8"})
"""What the system must permit before a process uses it: Linux, Documentation/arch/x86/xstate."""
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18
"""arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) on x86-64."""


class Host(NamedTuple):
    """A machine: its instruction set and the flags of its CPU, as in /proc/cpuinfo."""

    machine: str
    features: frozenset[str]

    def without(self, *features: str) -> Host:
        """The same machine with some features masked off."""
        return Host(self.machine, self.features - set(features))

    def lacks(self, variant: Variant) -> str:
        """Why `variant` cannot run here; empty if it can."""
        return self.refuses(variant.target, variant.features)

    def refuses(self, target: str, features: Sequence[str]) -> str:
        """Why code for `target`, which uses `features`, cannot run here; empty if it can."""
        machine = next((m for start, m in MACHINES.items() if target.startswith(start)), "")
        if machine != self.machine:
            return f"is not for {self.machine}"
        missing = [feature for feature in features if feature not in self.features]
        return f"needs {', '.join(missing)}" if missing else ""


@cache
def this_host() -> Host:
    """The machine that we run on; without /proc/cpuinfo, one that has no optional feature."""
    host = Host(os.uname().machine, cpu_flags(CPUINFO))
    if MATRIX_REGISTERS & host.features and not _may_use_matrix_registers():
        return host.without(*MATRIX_REGISTERS)
    return host


def _may_use_matrix_registers() -> bool:
    """Ask Linux to let this process, and its threads to come, use AMX (x86 only)."""
    refused: int = ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA)
    return refused == 0


def choose(variants: Sequence[Variant], host: Host) -> Variant:
    """The first variant that `host` can run; NccError (incompatible) with what each one lacks."""
    reasons = []
    for variant in variants:
        lacking = host.lacks(variant)
        if not lacking:
            return variant
        reasons.append(f"{variant.target} {lacking}")
    raise incompatible(
        f"this CPU cannot run the bundle: {'; '.join(reasons)}",
        "compile for a target that this CPU supports (--target), or run it on another machine",
    )


def cpu_flags(cpuinfo: str | os.PathLike[str]) -> frozenset[str]:
    """The flags of the first CPU in a /proc/cpuinfo ("flags" on x86, "Features" on ARM)."""
    try:
        with open(cpuinfo, encoding="ascii", errors="replace") as lines:
            for line in lines:
                key, _, flags = line.partition(":")
                if key.strip() in {"flags", "Features"}:
                    return frozenset(flags.split())
    except OSError:
        pass
    return frozenset()
