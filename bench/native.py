"""Generated code as functions of this process, and the peak that it is measured against."""

from __future__ import annotations

import ctypes
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from ncc.backends.cpu.emit.code import Code, Value, integer
from ncc.backends.cpu.emit.contraction.unit import Unit
from ncc.backends.cpu.emit.contraction.walk import repeat
from ncc.backends.cpu.emit.kernel import attributes
from ncc.backends.cpu.objects.llvm import compile_text
from ncc.backends.cpu.target import Target
from ncc.runtime.cpu import this_host

SECONDS = 0.03
"""How long one measurement lasts, of the peak as of anything else: clocks follow the load."""
CHAINS = 12
"""Sums in the peak loop: enough to hide the latency of a product, few enough for registers."""


@functools.cache
def _engine(target: Target) -> Any:
    module = llvm.parse_assembly(f'target triple = "{target.triple}"')
    machine = llvm.Target.from_triple(target.triple).create_target_machine(cpu=target.cpu)
    return llvm.create_mcjit_compiler(module, machine)


def load(text: str, name: str, arguments: int, target: Target) -> Callable[..., None]:
    """The function `name` of LLVM `text`, which takes that many pointers or i64 numbers."""
    assert this_host().features.issuperset(target.flags), f"this machine is no {target.name}"
    code = compile_text(text, target)
    engine = _engine(target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)


def median_time(call: Callable[[], None], seconds: float) -> float:
    """The median of repeated calls that take `seconds` in all, at least three.

    Counts the time on a core, so that other processes disturb it less.
    """
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


class Peak:
    """Products that wait for nothing, in registers: the arithmetic limit of one core."""

    STEPS = 100_000

    def __init__(self, unit: Unit, kr: int, target: Target) -> None:
        name = f"peak_{unit.operand.value}_{kr}_{unit.lanes}"
        self._call = load(_peak_text(unit, name, target), name, 2, target)
        self._operands = (ctypes.c_double * 64)()
        self._results = (ctypes.c_double * (8 * CHAINS))()
        self._flops = 2 * kr * unit.lanes * CHAINS * self.STEPS

    def measure(self) -> float:
        """Arithmetic operations a second, now."""
        address = ctypes.addressof
        spent = median_time(
            lambda: self._call(address(self._operands), address(self._results)), seconds=SECONDS
        )
        return self._flops / spent


def _peak_text(unit: Unit, name: str, target: Target) -> str:
    code = Code()
    operands, results = Value("%operands", "ptr"), Value("%results", "ptr")
    a, b = unit.broadcast(code, operands), unit.vector(code, operands)
    totals = repeat(
        code,
        Peak.STEPS,
        [unit.zero()] * CHAINS,
        lambda _, tile: [unit.multiply_add(code, total, a, b) for total in tile],
    )
    for position, total in enumerate(totals):
        place = integer(position * unit.lanes)
        code.store(total, code.offset(results, total.element, place))
    return "\n".join(
        [
            f'target triple = "{target.triple}"',
            *code.module,
            f"define void @{name}(ptr %operands, ptr %results) #0 {{",
            "entry:",
            *code.lines,
            "  ret void",
            "}",
            f"attributes #0 = {{ {attributes(target)} }}",
        ]
    )
