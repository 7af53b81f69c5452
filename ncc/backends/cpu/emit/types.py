"""How element types look in LLVM: in memory, and as values in registers."""

from __future__ import annotations

from ncc.backends.cpu.emit.code import Value, literal
from ncc.ir.types import DType

_REGISTER = {
    DType.f64: "double",
    DType.f32: "float",
    DType.tf32: "float",
    DType.f16: "i16",
    DType.bf16: "i16",
    DType.bool: "i1",
    DType.i8: "i8",
    DType.u8: "i8",
    DType.i16: "i16",
    DType.u16: "i16",
    DType.i32: "i32",
    DType.u32: "i32",
    DType.i64: "i64",
    DType.u64: "i64",
}
"""The narrow floats are kept as their bits: they are stored and converted, never added."""


def element(dtype: DType) -> str:
    """The LLVM type of a value in a register."""
    return _REGISTER[dtype]


def stored(dtype: DType) -> str:
    """The LLVM type of an element in memory: a bool is one byte."""
    return "i8" if dtype is DType.bool else _REGISTER[dtype]


def constant(value: float | int | bool, dtype: DType, lanes: int = 0) -> Value:
    """A literal of `dtype`, of every lane when `lanes` is not 0."""
    if dtype in (DType.f16, DType.bf16):
        bits = int(dtype.numpy.type(value).view("u2"))
        return literal(bits, "i16", lanes)
    return literal(value, element(dtype), lanes)
