"""What to measure kernels against: functions that do one thing as fast as a core can.

Each has the parameters of an entry and does its work on every core: products that wait for
nothing, or a copy of memory. `sync` gives zeros to multiply; the arena takes what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Code, Value, integer, literal
from ncc.backends.cpu.emit.contraction.matrix import configuration, fits_matrix
from ncc.backends.cpu.emit.contraction.unit import IntegerUnit, Unit, unit_for, unit_of
from ncc.backends.cpu.emit.contraction.walk import repeat
from ncc.backends.cpu.emit.kernel import attributes
from ncc.backends.cpu.loopir.loops import Contract, Kernel, walk
from ncc.backends.cpu.target import Target
from ncc.ir.types import DType

FUNCTION = "yardstick"
COPY, F32 = "copy", "f32"

STEPS = 20_000
"""Turns of the loop of products: some tenths of a millisecond."""
CHAINS = 12
"""Sums in that loop: enough to hide the latency of a product, few enough for registers."""
COPIED_BYTES = 1 << 25
"""More than the caches of a core hold; so much of the arena is copied to what follows it."""

_CORE_BYTES = 4096
"""The part of the arena where a core puts its sums."""
_ARENA, _SYNC = Value("%arena", "ptr"), Value("%sync", "ptr")
_CORE, _CORES = Value("%core", "i64"), Value("%cores", "i64")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """An LLVM module with `FUNCTION`, and what one call of it does.

    `work` is operations on each core, or for `COPY` the bytes that all cores read and write.
    """

    name: str
    text: str
    work: int


def limit_of(kernel: Kernel, target: Target) -> str:
    """The name of the yardstick for the arithmetic of `kernel`."""
    contract = next((s for s in walk(kernel.body) if isinstance(s, Contract)), None)
    if contract is None:
        return F32
    unit = unit_of(contract, target)
    return _of_matrix(unit) if fits_matrix(contract, target) else unit.name


def _of_matrix(unit: Unit) -> str:
    return f"{unit.name} matrix"


def yardsticks(kernels: Iterable[Kernel], target: Target) -> list[Yardstick]:
    """The copy, and what the arithmetic of `kernels` and plain f32 are measured against."""
    f32 = unit_for(DType.f32, DType.f32, 1, target)
    limits = {F32: _products(f32, target)}
    for kernel in kernels:
        for stmt in walk(kernel.body):
            if isinstance(stmt, Contract):
                unit = unit_of(stmt, target)
                measure = _matrix if fits_matrix(stmt, target) else _products
                found = measure(unit, target)
                limits.setdefault(found.name, found)
    used = {limit_of(kernel, target) for kernel in kernels}
    return [_copy(target), *(limits[name] for name in sorted({F32} | used))]


def _products(unit: Unit, target: Target) -> Yardstick:
    """Many independent chains of multiply-add in registers."""

    def write(code: Code) -> None:
        a, b = unit.broadcast(code, _SYNC), unit.vector(code, _SYNC)

        def step(_: Value, totals: list[Value]) -> list[Value]:
            if isinstance(unit, IntegerUnit):  # a product of what does not change is made once
                return [unit.multiply_add(code, total, total, b) for total in totals]
            return [unit.multiply_add(code, total, a, b) for total in totals]

        own = code.offset(_ARENA, "i8", code.binary("mul", _CORE, integer(_CORE_BYTES)))
        for number, total in enumerate(repeat(code, STEPS, [unit.zero()] * CHAINS, step)):
            place = integer(number * unit.lanes)
            code.store(total, code.offset(own, total.element, place))

    work = 2 * unit.width * unit.lanes * CHAINS * STEPS
    return Yardstick(unit.name, _module(write, target), work)


def _matrix(unit: Unit, target: Target) -> Yardstick:
    """Products of two by two full matrix registers."""
    multiply = unit.matrix
    assert multiply is not None, "matrix registers make these products"

    def write(code: Code) -> None:
        text = "".join(f"\\{byte:02X}" for byte in configuration([(16, 64)] * 8))
        code.define(f'@registers = private constant [64 x i8] c"{text}", align 64')
        code.run("llvm.x86.ldtilecfg", Value("@registers", "ptr"))
        for register in range(8):
            code.run("llvm.x86.tilezero", literal(register, "i8"))

        def step(_: Value, carried: list[Value]) -> list[Value]:
            for number in range(4):
                used = (number, 4 + number // 2, 6 + number % 2)
                code.run(multiply, *(literal(register, "i8") for register in used))
            return carried

        repeat(code, STEPS, [], step)
        code.run("llvm.x86.tilerelease")

    work = 4 * 2 * 16 * 16 * 16 * unit.width * STEPS
    return Yardstick(_of_matrix(unit), _module(write, target), work)


def _copy(target: Target) -> Yardstick:
    """Cores copy a share of the arena each, in order."""
    lanes, block = 64, 256

    def write(code: Code) -> None:
        share = code.binary("udiv", integer(COPIED_BYTES // block), _CORES)
        first = code.binary("mul", share, _CORE)
        with code.loop(first, code.binary("add", first, share)) as i:
            at = code.binary("mul", i, integer(block))
            source = code.offset(_ARENA, "i8", at)
            for start in range(0, block, lanes):
                piece = code.offset(source, "i8", integer(start))
                bytes_read = code.load(piece, "i8", lanes)
                code.store(bytes_read, code.offset(piece, "i8", integer(COPIED_BYTES)))

    return Yardstick(COPY, _module(write, target), 2 * COPIED_BYTES)


def _module(write: Callable[[Code], None], target: Target) -> str:
    code = Code()
    write(code)
    parameters = "ptr %arena, ptr %weights, ptr %io, ptr %sync, i64 %core, i64 %cores"
    return "\n".join(
        [
            f'target triple = "{target.triple}"',
            *code.module,
            f"define void @{FUNCTION}({parameters}) #0 {{",
            "entry:",
            *code.allocations,
            *code.lines,
            "  ret void",
            "}",
            f"attributes #0 = {{ {attributes(target)} }}",
            "",
        ]
    )
