"""Names, strings, sizes and types as text, both ways."""

from __future__ import annotations

import functools
import json
import re

from ncc.ir.types import (
    UNKNOWN,
    Affine,
    Dim,
    DType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    dim_add,
    dim_mul,
    symbol,
)

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_KEYWORDS = {"as", "from", "graph", "in", "optional", "return", "seq"}
_TERM = re.compile(r'([-+]?) *(?:(\d+)(?:\*(\w+|"(?:\\.|[^"\\])*"))?|(\w+|"(?:\\.|[^"\\])*"))')
_SIZES = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^",])+')


def quote(text: str) -> str:
    """`text` in double quotes; what is not printable is escaped as in JSON."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def unquote(text: str) -> str:
    """The inverse of `quote`; ValueError for an unknown escape."""
    try:
        return str(json.loads(text, strict=False))
    except json.JSONDecodeError:
        raise ValueError(f"{text} has an unknown escape") from None


def word(text: str) -> str:
    """`text` bare where the grammar takes it as a word, else quoted."""
    bare = _WORD.fullmatch(text) and text not in _KEYWORDS
    return text if bare else quote(text)


def value_name(name: str) -> str:
    """A graph input as text: `%x`, or `%"input:0"` where the name is not plain."""
    return f"%{name if _NAME.fullmatch(name) else quote(name)}"


def symbol_name(name: str) -> str:
    """The name of a graph: `@main`."""
    return f"@{name if _WORD.fullmatch(name) else quote(name)}"


def unsigil(token: str) -> str:
    """The name behind `%` or `@`."""
    return unquote(token[1:]) if token[1:2] == '"' else token[1:]


def size_text(dim: Dim) -> str:
    """`3`, `n`, `2*n-1`, `?`."""
    if not isinstance(dim, Affine):
        return str(dim)
    parts = [_term_text(name, factor) for name, factor in dim.terms]
    parts += [str(dim.const)] if dim.const or not parts else []
    signed = [part if part.startswith("-") else f"+{part}" for part in parts]
    return "".join(signed).removeprefix("+")


def _term_text(name: str, factor: int) -> str:
    return _symbol_text(name) if factor == 1 else f"{factor}*{_symbol_text(name)}"


def _symbol_text(name: str) -> str:
    return name if _WORD.fullmatch(name) else quote(name)


@functools.lru_cache(maxsize=4096)
def type_text(type: Type) -> str:
    """`f32[n, 784]`, `seq<f32[?]>`, `optional<i64[]>`."""
    if isinstance(type, TensorType):
        return f"{type.dtype.value}[{', '.join(map(size_text, type.shape))}]"
    return f"{'seq' if isinstance(type, SequenceType) else 'optional'}<{type_text(type.element)}>"


def read_size(text: str) -> Dim:
    """The inverse of `size_text`."""
    if text == "?":
        return UNKNOWN
    total: Dim = 0
    for sign, factor, scaled, lone in _TERM.findall(text):
        name = scaled or lone
        term: Dim = int(factor or 1)
        if name:
            term = dim_mul(term, symbol(unquote(name) if name[0] == '"' else name))
        total = dim_add(total, dim_mul(-1, term) if sign == "-" else term)
    return total


@functools.lru_cache(maxsize=4096)
def read_tensor(text: str) -> TensorType:
    """The inverse of `type_text` for a tensor; ValueError if the element type is unknown."""
    name, sizes = text[:-1].split("[", 1)
    if name not in DTYPES:
        raise ValueError(f"'{name}' is not an element type")
    shape = tuple(read_size(size.strip()) for size in _SIZES.findall(sizes) if size.strip())
    return TensorType(DTYPES[name], shape)


DTYPES = {dtype.value: dtype for dtype in DType}
WRAPPERS: dict[str, type[SequenceType | OptionalType]] = {
    "sequence": SequenceType,
    "optional": OptionalType,
}
