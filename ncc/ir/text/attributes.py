"""From written values to attributes, by their kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from lark import Token

from ncc.ir.graph import Graph
from ncc.ir.literal import Literal
from ncc.ir.schema import AnyType, Each, Kind, Many, Maybe, Record, Size, kinds
from ncc.ir.text.numbers import read_bool, read_floats, read_int, read_literal, read_string
from ncc.ir.text.syntax import Block, Dense, Fields, Pair, Source, Wrapped
from ncc.ir.text.words import WRAPPERS, read_size, read_tensor, unquote
from ncc.ir.types import Dim, TensorType, Type, symbol


class Reader:
    """Makes attributes from what the grammar saw; every error points at the token nearest to it."""

    def __init__(self, source: Source, graph: Callable[[Block], Graph]) -> None:
        self.source = source
        self.graph = graph

    def fields(
        self, pairs: Sequence[Pair], known: Mapping[str, Kind], owner: str
    ) -> dict[str, Any]:
        """The attributes in braces, each known to `owner` and written once."""
        values: dict[str, Any] = {}
        for name, written in pairs:
            if name not in known:
                has = ", ".join(known) or "none"
                message = f"{owner} has no attribute '{name}'"
                raise self.source.error(name, message, hint=f"it has: {has}")
            if name in values:
                raise self.source.error(name, f"'{name}' is written twice")
            values[str(name)] = self.value(known[name], written, name)
        return values

    def value(self, kind: Kind, written: Any, near: Token) -> Any:
        """What `written` says, as a value of `kind`; errors point at it, or else at `near`."""
        near = written if isinstance(written, Token) else near
        return self.guarded(near, lambda: self._value(kind, written, near))

    def guarded(self, near: Token, read: Callable[[], Any]) -> Any:
        """The result of `read`, whose ValueError becomes an error at `near`."""
        try:
            return read()
        except ValueError as error:
            raise self.source.error(near, str(error)) from None

    def read_type(self, written: Any) -> Type:
        """A type."""
        if isinstance(written, Wrapped):
            return WRAPPERS[written.kind](self.read_type(written.element))
        token: Token = written
        tensor: TensorType = self.guarded(token, lambda: read_tensor(str(token)))
        return tensor

    def _value(self, kind: Kind, written: Any, near: Token) -> Any:
        match kind:
            case Maybe(item):
                none = isinstance(written, Token) and written == "none"
                return None if none else self._value(item, written, near)
            case Many(item):
                return tuple(self.value(item, each, near) for each in _items(written))
            case Each(items):
                found = _items(written)
                if len(found) != len(items):
                    raise ValueError(f"{len(items)} items are needed, not {len(found)}")
                pairs = zip(items, found, strict=True)
                return tuple(self.value(item, each, near) for item, each in pairs)
            case Record(cls):
                return self._record(cls, written, near)
            case _:
                return self._plain(kind, written)

    def _record(self, cls: type, written: Any, near: Token) -> Any:
        if not isinstance(written, Fields):
            raise ValueError(f"a {cls.__name__} is written in braces")
        values = self.fields(written.pairs, kinds(cls), cls.__name__)
        missing = [name for name in kinds(cls) if name not in values]
        if missing:
            raise ValueError(f"{cls.__name__} needs '{missing[0]}'")
        return cls(**values)

    def _plain(self, kind: type, written: Any) -> Any:
        if kind is Graph:
            if not isinstance(written, Block):
                raise ValueError("a graph is needed here")
            return self.graph(written)
        if kind is Literal:
            if not isinstance(written, Dense):
                raise ValueError("a literal is needed here, such as f32[2] [1.0, 2.0]")
            return read_literal(read_tensor(str(written.type)), written.elements)
        if kind in (TensorType, AnyType):
            return self._type_attribute(kind, written)
        if not isinstance(written, Token):
            raise ValueError(f"one {_called(kind)} is needed here")
        return _READ[kind](written) if kind in _READ else _choice(kind, written)

    def _type_attribute(self, kind: type, written: Any) -> Type:
        tensor = isinstance(written, Token) and written.type == "TENSOR"
        if not tensor and (kind is TensorType or not isinstance(written, Wrapped)):
            raise ValueError("a type is needed here, such as f32[2, 3]")
        return self.read_type(written)


def _items(written: Any) -> list[Any]:
    if not isinstance(written, list):
        raise ValueError("a list is needed here, such as [1, 2]")
    return written


def _called(kind: type) -> str:
    return "size" if kind is Size else kind.__name__


def _choice(kind: type, token: Token) -> Enum:
    """The member of an enumeration by its value."""
    assert issubclass(kind, Enum), f"no text for {kind}"
    text = unquote(token) if token.type == "STRING" else str(token)
    for member in kind:
        if str(member.value) == text:
            return member
    choices = ", ".join(str(member.value) for member in kind)
    raise ValueError(f"'{text}' is not one of {choices}")


def _size(token: Token) -> Dim:
    if token.type == "NUMBER":
        return read_int(token)
    if token.type == "STRING":
        return symbol(unquote(token))
    if token.type == "WORD":
        return symbol(str(token))
    if token.type == "SIZE":
        return read_size(str(token))
    raise ValueError(f"'{token}' is not a size")


_READ: Mapping[type, Callable[[Token], Any]] = {
    bool: read_bool,
    int: read_int,
    float: lambda token: float(read_floats([token])[0]),
    str: read_string,
    Size: _size,
}
