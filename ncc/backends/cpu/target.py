"""The machines that this backend compiles for: what code may use, and what a host must have."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from pathlib import Path

from ncc.backends.interface import NATIVE
from ncc.diagnostics import ExitCode, NccError, meant


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of machine.

    `cpu` and `features` are LLVM's names and bound what generated code may use; `flags` are the
    same set as /proc/cpuinfo spells it, which a host must have. `lanes` is the f32 lanes of one
    vector register, `registers` the number of those.
    """

    name: str
    triple: str
    cpu: str
    features: str
    lanes: int
    registers: int
    flags: tuple[str, ...]
    has_bf16_dot: bool = False
    has_byte_dot: bool = False
    """Whether one instruction adds four products of u8 with i8 to an i32."""
    has_matrix_registers: bool = False
    """AMX: products of 16 rows of 64 bytes by 16 columns, of bf16, and of u8 with i8."""

    @property
    def machine(self) -> str:
        """The instruction set, as LLVM and Linux name it."""
        return self.triple.partition("-")[0]

    @property
    def vector_bits(self) -> int:
        """Width of one vector register."""
        return 32 * self.lanes

    @property
    def has_narrow_masks(self) -> bool:
        """Whether 8- and 16-bit lanes can be loaded and stored under a mask."""
        return "avx512bw" in self.flags


_V3_FLAGS = (
    *("avx", "avx2", "abm", "bmi1", "bmi2", "cx16", "f16c", "fma", "movbe", "pni", "popcnt"),
    *("sse4_1", "sse4_2", "ssse3"),
)
_V4_FLAGS = (*_V3_FLAGS, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
_X86_DOT_FLAGS = ("avx512_bf16", "avx512_vnni")
_ARM_FLAGS = ("asimd", "fp")
_LINUX_X86 = "x86_64-unknown-linux-gnu"
_LINUX_ARM = "aarch64-unknown-linux-gnu"

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("x86-64-v3", _LINUX_X86, "x86-64-v3", "", 8, 16, _V3_FLAGS),
        Target("x86-64-v4", _LINUX_X86, "x86-64-v4", "", 16, 32, _V4_FLAGS),
        Target(
            name="x86-64-v4+bf16",
            triple=_LINUX_X86,
            cpu="x86-64-v4",
            features="+avx512bf16,+avx512vnni",
            lanes=16,
            registers=32,
            flags=(*_V4_FLAGS, *_X86_DOT_FLAGS),
            has_bf16_dot=True,
            has_byte_dot=True,
        ),
        Target(
            name="x86-64-v4+amx",
            triple=_LINUX_X86,
            cpu="x86-64-v4",
            features="+avx512bf16,+avx512vnni,+amx-tile,+amx-bf16,+amx-int8",
            lanes=16,
            registers=32,
            flags=(*_V4_FLAGS, *_X86_DOT_FLAGS, "amx_tile", "amx_bf16", "amx_int8"),
            has_bf16_dot=True,
            has_byte_dot=True,
            has_matrix_registers=True,
        ),
        Target("aarch64", _LINUX_ARM, "generic", "", 4, 32, _ARM_FLAGS),
        Target(
            name="aarch64+bf16",
            triple=_LINUX_ARM,
            cpu="generic",
            features="+bf16,+i8mm",
            lanes=4,
            registers=32,
            flags=(*_ARM_FLAGS, "bf16", "i8mm"),
            has_bf16_dot=True,
            has_byte_dot=True,
        ),
    )
}
"""By name, each better than those before it that are of the same instruction set."""


def resolve(name: str, host: frozenset[str] | None = None) -> Target:
    """The target called `name`; "native" is the best one that runs on the host.

    `host` is the flags of the host, by default those of this machine. NccError
    "unknown-target" (usage) or "unsupported-host" (incompatible).
    """
    if name == NATIVE:
        return _best(host_flags() if host is None else host)
    if name not in TARGETS:
        raise NccError(
            "unknown-target",
            f"there is no target '{name}'",
            exit=ExitCode.USAGE,
            hint=meant(name, TARGETS, f"targets are {', '.join([*TARGETS, NATIVE])}"),
        )
    return TARGETS[name]


def _best(host: frozenset[str]) -> Target:
    fitting = [target for target in TARGETS.values() if host.issuperset(target.flags)]
    if fitting:
        return fitting[-1]
    hint = f"name the target to compile for another machine: {', '.join(TARGETS)}"
    raise NccError("unsupported-host", _lacking(host), exit=ExitCode.INCOMPATIBLE, hint=hint)


def _lacking(host: frozenset[str]) -> str:
    """Why no target is for a machine with the features `host`."""
    machine = platform.machine()
    least = next((target for target in TARGETS.values() if target.machine == machine), None)
    if least is None:
        return f"there is no target for {machine}"
    missing = sorted(set(least.flags) - host)
    return f"this machine is below {least.name}: it lacks {', '.join(missing)}"


_FLAGS = {"x86_64": "flags", "aarch64": "Features"}
"""What /proc/cpuinfo calls the line with the features, by machine."""


@functools.cache
def host_flags() -> frozenset[str]:
    """The features of this machine's CPU, as /proc/cpuinfo names them; empty if unknown."""
    key = _FLAGS.get(platform.machine())
    if key is None:
        return frozenset()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line for line in lines if line.startswith(key)), "")
    return frozenset(flags.partition(":")[2].split())
