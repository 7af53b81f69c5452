"""Elements of literals as text, both ways, bit for bit.

A float is written as the shortest decimal that reads back to its bits; one that no decimal reads
back to (a NaN with a payload) as its bits: `0x7fc1`. One element alone stands for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from lark import Token

from ncc.ir.literal import Literal
from ncc.ir.text.words import quote, type_text, unquote
from ncc.ir.types import DType, TensorType

Array = npt.NDArray[Any]


def literal_text(literal: Literal) -> str:
    """The elements as nested lists; just one where all have the same bits."""
    texts = _element_texts(literal)
    if texts and all(text == texts[0] for text in texts):
        return texts[0]
    return _nested(texts, literal.type.dims)


def _element_texts(literal: Literal) -> list[str]:
    dtype = literal.type.dtype
    flat = literal.array.reshape(-1)
    if dtype is DType.string:
        return [quote(text) for text in flat]
    if dtype is DType.bool:
        return ["true" if value else "false" for value in flat]
    if dtype.is_int:
        return [str(int(value)) for value in flat]
    return float_texts(flat)


def float_texts(flat: Array) -> list[str]:
    """One text per element of a one-dimensional array of floats."""
    texts = [str(value) for value in flat] if flat.dtype in NATIVE else _short_texts(flat)
    bits = _bits(flat)
    for index in np.flatnonzero(_read_bits(texts, flat.dtype) != bits):
        texts[index] = f"0x{int(bits[index]):0{2 * flat.dtype.itemsize}x}"
    return texts


NATIVE = (np.float16, np.float32, np.float64)
"""The types whose `str` is the shortest decimal."""


def _short_texts(flat: Array) -> list[str]:
    """The decimals with the fewest digits that read back to the elements."""
    texts = [""] * flat.size
    left = np.arange(flat.size)
    for digits in range(1, 6):
        tried = [_with_point(f"{float(value):.{digits}g}") for value in flat[left]]
        for index, text in zip(left, tried, strict=True):
            texts[index] = text
        left = left[_read_bits(tried, flat.dtype) != _bits(flat[left])]
    return texts


def _with_point(text: str) -> str:
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def _bits(flat: Array) -> Array:
    return flat.view(f"u{flat.dtype.itemsize}")


def _read_bits(texts: Sequence[str], dtype: np.dtype[Any]) -> Array:
    return _bits(np.array([float(text) for text in texts], np.float64).astype(dtype))


def float_text(value: float) -> str:
    """One f64."""
    return float_texts(np.array([value], np.float64))[0]


def _nested(texts: Sequence[str], dims: tuple[int, ...]) -> str:
    rows = list(texts)
    for size in reversed(dims):
        if not size:
            return "[]"
        rows = [f"[{', '.join(rows[i : i + size])}]" for i in range(0, len(rows), size)]
    return rows[0]


def read_literal(type: TensorType, elements: Any) -> Literal:
    """A literal of `type` from nested or flat lists of tokens, or one token for all elements.

    ValueError, in words, when the elements do not fit the type.
    """
    if not type.is_static:
        raise ValueError(f"a literal needs numbers for sizes, not {type_text(type)}")
    if not isinstance(elements, list):
        return _literal(
            type, np.broadcast_to(_array([elements], type.dtype).reshape(()), type.dims)
        )
    flat, shape = _flatten(elements)
    if shape != type.dims and shape != (type.size,):
        shown = f"[{', '.join(map(str, shape))}]"
        raise ValueError(f"the elements have shape {shown}, the type is {type_text(type)}")
    return _literal(type, _array(flat, type.dtype).reshape(type.dims))


def _literal(type: TensorType, array: Array) -> Literal:
    return Literal(type, Literal.of(array).data)


def _flatten(elements: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves of nested lists, and the shape that the lists have."""
    shape = [len(elements)]
    while elements and isinstance(elements[0], list):
        width = len(elements[0])
        if any(not isinstance(row, list) or len(row) != width for row in elements):
            raise ValueError("the rows of a literal differ in length")
        shape.append(width)
        elements = [item for row in elements for item in row]
    return elements, tuple(shape)


def _array(tokens: list[Any], dtype: DType) -> Array:
    """The elements that `tokens` spell, as a one-dimensional array."""
    if any(not isinstance(token, Token) for token in tokens):
        raise ValueError("a literal holds numbers, words or strings")
    if dtype.is_float:
        return read_floats(tokens, dtype)
    if dtype is DType.string:
        texts = np.empty(len(tokens), object)
        texts[:] = [read_string(token) for token in tokens]
        return texts
    read = read_bool if dtype is DType.bool else read_int
    return np.array([_fitting(read(token), dtype) for token in tokens], object).astype(dtype.numpy)


def _fitting(value: int, dtype: DType) -> int:
    """`value`; ValueError when it is out of the range of an integer type."""
    if dtype is DType.bool:
        return value
    bits = int(dtype.value[1:])
    low, high = (0, 1 << bits) if dtype.value[0] == "u" else (-1 << (bits - 1), 1 << (bits - 1))
    if not low <= value < high:
        raise ValueError(f"{value} does not fit {dtype.value}")
    return value


def read_floats(tokens: Sequence[Token], dtype: DType = DType.f64) -> Array:
    """Floats from decimals, `inf`, `nan` or bits."""
    array = np.array([0.0 if t.type == "BITS" else _decimal(t) for t in tokens]).astype(dtype.numpy)
    view = array.view(f"u{dtype.itemsize}")
    for index, token in enumerate(tokens):
        if token.type == "BITS":
            if len(token) > 2 + 2 * dtype.itemsize:
                raise ValueError(f"'{token}' has more bits than {dtype.value}")
            view[index] = int(token, 16)
    return array


def _decimal(token: Token) -> float:
    if token.type == "NUMBER" or token in ("inf", "nan"):
        return float(token)
    raise ValueError(f"'{token}' is not a number")


def read_int(token: Token) -> int:
    """An integer in decimal."""
    if token.type != "NUMBER" or not token.lstrip("-").isdigit():
        raise ValueError(f"'{token}' is not an integer")
    return int(token)


def read_bool(token: Token) -> bool:
    """`true` or `false`."""
    if token not in ("true", "false"):
        raise ValueError(f"'{token}' is neither true nor false")
    return str(token) == "true"


def read_string(token: Token) -> str:
    """A quoted string."""
    if token.type != "STRING":
        raise ValueError(f"'{token}' is not a string in double quotes")
    return unquote(token)
