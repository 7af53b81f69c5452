"""What the user passes in, checked against a signature and made into what generated code reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ctypes import addressof, c_char
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.format import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = np.ndarray[Any, np.dtype[Any]]

STANDARD = {
    "f64": "float64",
    "f32": "float32",
    "tf32": "float32",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u64": "uint64",
    "u32": "uint32",
    "u16": "uint16",
    "u8": "uint8",
    "bool": "bool",
}
EXTENDED = {
    "bf16": ("bfloat16", "uint16"),
    "f8e4m3": ("float8_e4m3fn", "uint8"),
    "f8e5m2": ("float8_e5m2", "uint8"),
    "i4": ("int4", "int8"),
    "u4": ("uint4", "uint8"),
}
"""Types that numpy lacks: the name in ml_dtypes, and what holds the bits where that is absent."""


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy type of arrays of the element type `name`, in the machine's byte order."""
    if name in STANDARD:
        return np.dtype(STANDARD[name])
    extended, bits = EXTENDED[name]
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(bits)
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, extended))
    return dtype


class Signature:
    """The inputs and outputs of a model, and the errors that show them."""

    def __init__(self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.output_names = [spec.name for spec in outputs]
        self._names = [spec.name for spec in inputs]
        self._named = frozenset(self._names)
        self._dtypes = [numpy_dtype(spec.dtype) for spec in inputs]

    def __str__(self) -> str:
        return f"({_listed(self.inputs)}) -> ({_listed(self.outputs)})"

    def wrong(self, message: str) -> NccError:
        """An error of the caller: exit 2."""
        hint = f"the model is {self}"
        return NccError("signature", message, exit=ExitCode.USAGE, hint=hint)

    def bind(self, values: Sequence[ArrayLike]) -> list[Array]:
        """One array per input, in order; dense, native byte order.

        An array that is so already is not copied. NccError (usage) for a wrong count, dtype,
        rank, or size of an axis that the signature fixes.
        """
        pairs = zip(self.inputs, self._dtypes, self.in_order(values, {}), strict=True)
        return [self._tensor(spec, dtype, value) for spec, dtype, value in pairs]

    def in_order(
        self, given: Sequence[ArrayLike], named: Mapping[str, ArrayLike]
    ) -> list[ArrayLike]:
        """A value per input, from positional and named arguments; NccError (usage)."""
        names = self._names
        if not given and named.keys() == self._named:
            return [named[name] for name in names]
        if len(given) > len(names):
            raise self.wrong(f"{len(given)} inputs given, the model has {len(names)}")
        unknown = [name for name in named if name not in names]
        if unknown:
            raise self.wrong(f"the model has no input '{unknown[0]}'")
        twice = [name for name in names[: len(given)] if name in named]
        if twice:
            raise self.wrong(f"input '{twice[0]}' is given twice")
        missing = [name for name in names[len(given) :] if name not in named]
        if missing:
            raise self.wrong(f"no input '{missing[0]}'")
        return [*given, *(named[name] for name in names[len(given) :])]

    def _tensor(self, spec: TensorSpec, dtype: np.dtype[Any], value: ArrayLike) -> Array:
        array = self._array(spec, value)
        if array.dtype != dtype:
            array = self._converted(spec, dtype, array)
        if not matches(array.shape, spec.shape):
            raise self.wrong(
                f"input '{spec.name}' has shape {list(array.shape)}, needs [{_sizes(spec)}]"
            )
        return dense(array)

    def _array(self, spec: TensorSpec, value: ArrayLike) -> Array:
        if np.ma.is_masked(value):
            raise self.wrong(f"input '{spec.name}' has masked elements: fill them first")
        try:
            return np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:  # what other libraries raise, too
            raise self.wrong(f"input '{spec.name}' is no array: {error}") from None

    def _converted(self, spec: TensorSpec, dtype: np.dtype[Any], array: Array) -> Array:
        """`array` in the machine's byte order, or with its bits taken as the type that they are."""
        native = array.dtype.newbyteorder("=")
        if native == dtype:
            return array.astype(dtype)
        if spec.dtype in EXTENDED and native == EXTENDED[spec.dtype][1]:
            return array.astype(native).view(dtype)
        raise self.wrong(f"input '{spec.name}' is {array.dtype}, needs {spec.dtype} ({dtype})")


def dense(array: Array) -> Array:
    """`array`, or a copy of it, in row-major order and aligned."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else array.copy(order="C")


def addresses(arrays: Sequence[Any], wanted: Iterable[int]) -> list[int]:
    """Where the elements of the dense arrays with these indices are."""
    try:
        return [addressof(c_char.from_buffer(arrays[index])) for index in wanted]
    except (TypeError, ValueError):  # one is read-only, empty, or of a type that buffers lack
        return [arrays[index].ctypes.data for index in wanted]


def matches(shape: tuple[int, ...], spec: tuple[int | str, ...]) -> bool:
    """Whether `shape` is one that `spec` allows; a symbol allows every size."""
    return len(shape) == len(spec) and all(
        size == wanted or isinstance(wanted, str) for size, wanted in zip(shape, spec, strict=True)
    )


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(map(str, specs))


def _sizes(spec: TensorSpec) -> str:
    return ", ".join(map(str, spec.shape))
