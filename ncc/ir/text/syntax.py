"""From characters to statements: the grammar, and errors that point at a column."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple, cast

import lark
from lark import Token

from ncc.diagnostics import Loc, NccError
from ncc.ir.text.words import unquote


class Statement(NamedTuple):
    """One node as it is written."""

    results: list[Token]
    op: Token
    first: Any
    operands: list[Token]
    attributes: list[Pair]
    types: list[Any]
    locs: list[Written]


class Block(NamedTuple):
    """One graph as it is written."""

    symbol: Token
    inputs: list[tuple[Token, Any]]
    file: Token | None
    nodes: list[Statement]
    outputs: list[tuple[Token, Token | None]]


class Pair(NamedTuple):
    """`name = value`."""

    name: Token
    value: Any


class Dense(NamedTuple):
    """`f32[2] [1.0, 2.0]`: a tensor type and elements."""

    type: Token
    elements: Any


class Wrapped(NamedTuple):
    """`seq<...>` or `optional<...>`."""

    kind: str
    element: Any


class Fields(NamedTuple):
    """`{a = 1, b = 2}`."""

    pairs: list[Pair]


class Written(NamedTuple):
    """One location; a file that is not written is that of the graph."""

    node: Token
    op: Token | None
    file: Token | None

    def loc(self, file: str) -> Loc:
        op = self.op or ""
        quoted = isinstance(op, Token) and op.type == "STRING"
        return Loc(
            unquote(self.file) if self.file is not None else file,
            unquote(self.node),
            unquote(op) if quoted else str(op),
        )


class Call(NamedTuple):
    """A pass and its options as they are written."""

    name: Token
    options: list[Pair]


class Source:
    """A text and where it came from: turns tokens into errors."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    def line(self, number: int) -> str:
        """Line `number`, counted from 1."""
        start = 0
        for _ in range(number - 1):
            start = self.text.index("\n", start) + 1
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else None]

    def error(self, at: Token, message: str, *, code: str = "parse", hint: str = "") -> NccError:
        """The error `message` at a token."""
        return self._error(at.line or 1, at.column or 1, len(at), message, hint, code)

    def unexpected(self, error: lark.UnexpectedInput) -> NccError:
        """The error for text that the grammar does not take."""
        expected = _expected(error)
        if isinstance(error, lark.UnexpectedToken) and error.token.type != "$END":
            return self.error(error.token, f"unexpected {_shown(error.token)}", hint=expected)
        if isinstance(error, lark.UnexpectedCharacters):
            message = f"unexpected character {error.char!r}"
            return self._error(error.line, error.column, 1, message, expected)
        lines = self.text.splitlines() or [""]
        column = len(lines[-1]) + 1
        return self._error(len(lines), column, 1, "the text ends too early", expected)

    def _error(
        self, line: int, column: int, width: int, message: str, hint: str, code: str = "parse"
    ) -> NccError:
        text = self.line(line)
        indent = len(text) - len(text.lstrip())
        start = column - 1 - indent
        place = f"{self.file or 'text'}, line {line}, column {column}"
        return NccError(
            code,
            f"{message} ({place})",
            text=text.strip(),
            span=(start, start + min(width, max(len(text) - column + 1, 1))),
            hint=hint,
        )


def read(source: Source, start: str) -> Any:
    """The statements of `source` under the rule `start`; NccError where they do not parse."""
    try:
        return _grammar().parse(source.text, start=start)
    except lark.UnexpectedInput as error:
        raise source.unexpected(error) from None


@functools.cache
def _grammar() -> lark.Lark:
    text = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(
        text,
        parser="lalr",
        start=["graph", "calls"],
        maybe_placeholders=True,
        transformer=_Statements(),
    )


def _present(items: Sequence[Any]) -> list[Any]:
    return [item for item in items if item is not None]


class _Statements(lark.Transformer[Token, Any]):
    """What each rule of the grammar becomes."""

    def graph(self, items: list[Any]) -> Block:
        symbol, *inputs, file, nodes, outputs = items
        return Block(symbol, _present(inputs), file, nodes, outputs)

    def node(self, items: list[Any]) -> Statement:
        return Statement(*items)

    def locs(self, items: list[Any]) -> list[Written]:
        return [cast(Written, item) for item in items if item is not None]

    def loc(self, items: list[Any]) -> Written:
        return Written(*items)

    def literal(self, items: list[Any]) -> Dense:
        return Dense(*items)

    def record(self, items: list[Any]) -> Fields:
        return Fields(_present(items))

    def pair(self, items: list[Any]) -> Pair:
        return Pair(*items)

    def call(self, items: list[Any]) -> Call:
        return Call(items[0], _present(items[1:]))

    def sequence(self, items: list[Any]) -> Wrapped:
        return Wrapped("sequence", items[0])

    def optional(self, items: list[Any]) -> Wrapped:
        return Wrapped("optional", items[0])

    input = output = tuple
    nodes = list
    results = operands = attributes = types = returned = elements = calls = staticmethod(_present)


_READABLE = {
    "VALUE": "a value such as %0",
    "WORD": "a name",
    "STRING": "a string in double quotes",
    "SYMBOL": "a name such as @main",
    "NUMBER": "a number",
    "TENSOR": "a type such as f32[2, 3]",
    "SIZE": "a size",
    "BITS": "bits such as 0x7fc0",
    "$END": "the end",
}


def _shown(token: Token) -> str:
    return f"'{token}'"


def _expected(error: lark.UnexpectedInput) -> str:
    """What the grammar would take instead, in words."""
    names = getattr(error, "accepts", None) or getattr(error, "allowed", None)
    literal = {t.name: t.pattern.value for t in _grammar().terminals}
    words = [_READABLE.get(name) or f"'{literal.get(name, name)}'" for name in sorted(names or ())]
    return f"expected {' or '.join(dict.fromkeys(words))}" if words else ""
