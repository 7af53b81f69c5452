"""What LLVM does with vector registers, where it would do worse if left alone."""

from __future__ import annotations

from ncc.backends.cpu.emit.code import Code, Value
from ncc.backends.cpu.emit.shuffles import WORD
from ncc.backends.cpu.target import Target

_REGISTERS = {"x86_64": "xmm", "aarch64": "v"}
"""What LLVM calls vector registers, whatever part of them is meant."""
_CONSTRAINTS = {"x86_64": "v", "aarch64": "w"}
"""How inline assembly asks for one."""


def emptied(code: Code, target: Target) -> None:
    """Nothing is kept in a vector register from before here.

    LLVM would rather hold the constants of a long body there, and the sums on the stack.
    """
    stem = _REGISTERS[target.machine]
    names = ",".join(f"~{{{stem}{number}}}" for number in range(target.registers))
    code.append(f'call void asm sideeffect "", "{names}"()')


def settled(code: Code, sums: list[Value], target: Target) -> list[Value]:
    """The same sums, in registers: no load, and no product for them, moves across here.

    LLVM would rather load early what a later step needs, and has no registers to spare.
    """
    letter = _CONSTRAINTS[target.machine]
    ties = ",".join([f"={letter}"] * len(sums) + [str(n) for n in range(len(sums))])
    kinds = ", ".join(value.type for value in sums)
    result = f"{{ {kinds} }}" if len(sums) > 1 else kinds
    operands = ", ".join(map(str, sums))
    text = f'call {result} asm sideeffect "", "{ties},~{{memory}}"({operands})'
    if len(sums) == 1:
        return [code.like(sums[0], text)]
    every = f"%{code.fresh()}"
    code.append(f"{every} = {text}")
    return [code.like(value, f"extractvalue {result} {every}, {n}") for n, value in enumerate(sums)]


def opaque(code: Code, x: Value, target: Target) -> Value:
    """`x`, a vector or a scalar integer, of which LLVM knows nothing but its type.

    Of integers that it knows for bits of bf16 LLVM 22 makes shuffles of bf16, and has no
    instructions for some: that ends the process.
    """
    if not x.lanes:
        return code.like(x, f'call {x.type} asm "", "=r,0"({x})')
    bits = x.bits * x.lanes
    if bits > target.vector_bits:
        half = x.lanes // 2
        low = opaque(code, code.shuffle(x, x, range(half)), target)
        high = opaque(code, code.shuffle(x, x, range(half, x.lanes)), target)
        return code.shuffle(low, high, range(x.lanes))
    if bits < WORD:
        filling = [-1] * (WORD // x.bits - x.lanes)
        whole = opaque(code, code.shuffle(x, x, [*range(x.lanes), *filling]), target)
        return code.shuffle(whole, whole, range(x.lanes))
    letter = _CONSTRAINTS[target.machine]
    return code.like(x, f'call {x.type} asm "", "={letter},0"({x})')


def keep_awake(code: Code, lanes: int) -> None:
    """An addition of floats that nothing reads.

    Processors switch the units for it off after about 1800 cycles without work, and take 1000 to
    switch them on again. Sums leave matrix registers through them.
    """
    kind = f"<{lanes} x float>"
    zero = code.value(
        f'call {kind} asm sideeffect "", "=v,0"({kind} zeroinitializer)', "float", lanes
    )
    code.append(f'call void asm sideeffect "", "v"({code.binary("fadd", zero, zero)})')
