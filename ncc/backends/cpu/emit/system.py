"""Calls of the system, from generated code."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.cpu.objects.elf import Object, Section, Symbol
from ncc.backends.cpu.target import Target

SYSTEM = "system"
"""`i64 system(i64 number, i64 a, i64 b, i64 c)`: a system call; 0 for its fourth argument.

It is machine code because LLVM assembles inline code for the build machine only.
"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of system calls."""

    futex: int
    gettid: int
    getcpu: int
    sched_setaffinity: int
    sched_getaffinity: int
    sched_yield: int


_NUMBERS = {
    "x86_64": Numbers(202, 186, 309, 203, 204, 24),
    "aarch64": Numbers(98, 178, 168, 122, 123, 124),
}
_CODE = {
    # mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; xor r10d, r10d; syscall; ret
    "x86_64": (62, bytes.fromhex("4889f8 4889f7 4889d6 4889ca 4531d2 0f05 c3")),
    # mov x8, x0; mov x0, x1; mov x1, x2; mov x2, x3; mov x3, 0; svc 0; ret
    "aarch64": (
        183,
        bytes.fromhex("e80300aa e00301aa e10302aa e20303aa 030080d2 010000d4 c0035fd6"),
    ),
}
"""The number of the machine in ELF files, and its code, by the first part of the triple."""


def system_numbers(target: Target) -> Numbers:
    """The numbers on the machine of `target`."""
    return _NUMBERS[target.machine]


def system_object(target: Target) -> Object:
    """The function `SYSTEM` as an object to place beside what calls it."""
    machine, code = _CODE[target.machine]
    symbol = Symbol(SYSTEM, 0, 0, len(code), is_function=True)
    return Object(machine, {0: Section(".text", code, 16, ())}, (symbol,))
