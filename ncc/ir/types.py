"""Types of values: element types, sizes with symbols, tensors, sequences and optionals."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

NARROW = {
    "bf16": "bfloat16",
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "i4": "int4",
    "u4": "uint4",
}
"""Element types that numpy has from `ml_dtypes`, which a machine that runs bundles may lack."""


class DType(Enum):
    """An element type; the value is its text name."""

    f64 = "f64"
    f32 = "f32"
    tf32 = "tf32"
    f16 = "f16"
    bf16 = "bf16"
    f8e4m3 = "f8e4m3"
    f8e5m2 = "f8e5m2"
    i8 = "i8"
    i16 = "i16"
    i32 = "i32"
    i64 = "i64"
    u8 = "u8"
    u16 = "u16"
    u32 = "u32"
    u64 = "u64"
    i4 = "i4"
    u4 = "u4"
    bool = "bool"
    string = "string"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type that holds one element in memory (`tf32` is held as float32)."""
        return _NUMPY[self]

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return _NUMPY[self].itemsize

    @property
    def is_float(self) -> builtins.bool:
        return self.value.lstrip("t")[0] in "f" or self is DType.bf16

    @property
    def is_signed_int(self) -> builtins.bool:
        return self.value[0] == "i"

    @property
    def is_int(self) -> builtins.bool:
        return self.value[0] in "iu"

    @property
    def compute(self) -> DType:
        """The type in which arithmetic on this type is done: f32 for the narrow floats."""
        return DType.f32 if self.is_float and self is not DType.f64 else self

    @staticmethod
    def of(dtype: np.dtype[Any] | type) -> DType:
        """The element type of a numpy dtype; KeyError if there is none."""
        return _FROM_NUMPY[np.dtype(dtype)]


_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.f64: np.dtype(np.float64),
    DType.f32: np.dtype(np.float32),
    DType.f16: np.dtype(np.float16),
    DType.i8: np.dtype(np.int8),
    DType.i16: np.dtype(np.int16),
    DType.i32: np.dtype(np.int32),
    DType.i64: np.dtype(np.int64),
    DType.u8: np.dtype(np.uint8),
    DType.u16: np.dtype(np.uint16),
    DType.u32: np.dtype(np.uint32),
    DType.u64: np.dtype(np.uint64),
    DType.bool: np.dtype(np.bool_),
    DType.string: np.dtype(object),
}
if find_spec("ml_dtypes"):
    _extended = import_module("ml_dtypes")
    _NUMPY |= {DType(name): np.dtype(getattr(_extended, held)) for name, held in NARROW.items()}
_FROM_NUMPY = {dtype: name for name, dtype in _NUMPY.items()}
_NUMPY[DType.tf32] = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class Affine:
    """A size that depends on symbols: `const + sum(factor * symbol)`, symbols sorted."""

    terms: tuple[tuple[str, int], ...]
    const: int = 0

    def __str__(self) -> str:
        parts = [name if factor == 1 else f"{factor}*{name}" for name, factor in self.terms]
        if self.const or not parts:
            parts.append(str(self.const))
        return "+".join(parts).replace("+-", "-")


class _Unknown(Enum):
    UNKNOWN = "?"

    def __str__(self) -> str:
        return "?"


UNKNOWN = _Unknown.UNKNOWN
"""A size that only the data decides."""

Dim = int | Affine | _Unknown
Shape = tuple[Dim, ...]
_NUMBERS = {int}


def symbol(name: str) -> Affine:
    """The size named `name`."""
    return Affine(((name, 1),))


def _parts(dim: int | Affine) -> tuple[dict[str, int], int]:
    return ({}, dim) if isinstance(dim, int) else (dict(dim.terms), dim.const)


def _make(terms: Mapping[str, int], const: int) -> int | Affine:
    kept = tuple(sorted((name, factor) for name, factor in terms.items() if factor))
    return Affine(kept, const) if kept else const


def dim_add(a: Dim, b: Dim) -> Dim:
    """a + b."""
    if a is UNKNOWN or b is UNKNOWN:
        return UNKNOWN
    (terms, const), (more, extra) = _parts(a), _parts(b)
    for name, factor in more.items():
        terms[name] = terms.get(name, 0) + factor
    return _make(terms, const + extra)


def dim_mul(a: Dim, b: Dim) -> Dim:
    """a * b; unknown when the product is not affine."""
    if a == 0 or b == 0:
        return 0
    if isinstance(b, int):
        a, b = b, a
    if not isinstance(a, int) or b is UNKNOWN:
        return UNKNOWN
    terms, const = _parts(b)
    return _make({name: a * factor for name, factor in terms.items()}, a * const)


def dim_floordiv(a: Dim, by: int) -> Dim:
    """a // by; unknown when the quotient is not affine."""
    if a is UNKNOWN:
        return UNKNOWN
    if by == 1:
        return a
    terms, const = _parts(a)
    if any(factor % by for factor in terms.values()):
        return UNKNOWN
    return _make({name: factor // by for name, factor in terms.items()}, const // by)


def dim_bind(dim: Dim, sizes: Mapping[str, int]) -> Dim:
    """`dim` with the symbols in `sizes` replaced."""
    if not isinstance(dim, Affine):
        return dim
    total: Dim = dim.const
    for name, factor in dim.terms:
        total = dim_add(total, dim_mul(factor, sizes.get(name, symbol(name))))
    return total


def dim_symbols(dim: Dim) -> tuple[str, ...]:
    """The symbols that `dim` mentions."""
    return tuple(name for name, _ in dim.terms) if isinstance(dim, Affine) else ()


@dataclass(frozen=True, slots=True)
class TensorType:
    """An element type and a size per axis."""

    dtype: DType
    shape: Shape = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every size is a number."""
        return _NUMBERS.issuperset(map(type, self.shape))

    @property
    def dims(self) -> tuple[int, ...]:
        """The sizes as numbers; only for static types."""
        assert self.is_static, f"{self} is not static"
        return cast(tuple[int, ...], self.shape)

    @property
    def size(self) -> int:
        """Number of elements; only for static types."""
        return math.prod(self.dims)

    @property
    def nbytes(self) -> int:
        """Bytes of a dense tensor of this type; only for static types."""
        return self.size * self.dtype.itemsize

    def with_shape(self, shape: Iterable[Dim]) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def bind(self, sizes: Mapping[str, int]) -> TensorType:
        """This type with the symbols in `sizes` replaced by numbers."""
        return self.with_shape(dim_bind(dim, sizes) for dim in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.value}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of values of one type; host segments only."""

    element: Type

    def __str__(self) -> str:
        return f"seq<{self.element}>"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value or nothing; host segments only."""

    element: Type

    def __str__(self) -> str:
        return f"optional<{self.element}>"


Type = TensorType | SequenceType | OptionalType
