"""On how many cores a device segment is done soonest, by an estimate that knows no machine.

More cores share the work, but each has to be woken and met at every barrier: with T of work the
time on n cores is T / n + n * (wake + barriers * meet), least at the root of T over that sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.target import Target

BYTES_PER_NS = 32
WAKE_NS = 5_000
MEET_NS = 800
"""A barrier, and what it then costs to read what other cores wrote."""
MAX_CORES = 1 << 10
"""The most that the format allows (docs/neff.md, "Limits")."""


def worthwhile_cores(calls: Sequence[Call], barriers: int, target: Target) -> int:
    """The number of cores, at least 1, beyond which more would make the segment slower."""
    rate = _flops_per_ns(target)
    work = sum(max(call.flops / rate, _nbytes(call) / BYTES_PER_NS) for call in calls)
    core = WAKE_NS + barriers * MEET_NS
    return max(1, min(MAX_CORES, math.isqrt(int(work / core))))


def _flops_per_ns(target: Target) -> int:
    """About a third of what one core reaches at best, at 3 GHz."""
    products = 8 if target.has_matrix_registers else 2 if target.has_bf16_dot else 1
    return 4 * target.lanes * products


def _nbytes(call: Call) -> int:
    return sum(pointer.nbytes for pointer in call.pointers)
