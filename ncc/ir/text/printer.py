"""From a graph to text.

Inputs keep their names, results are numbered in the order of the nodes, and an attribute that has
its default is left out. `parser.parse` reads the text back to an equal graph.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from ncc.diagnostics import Loc, Locs
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.schema import (
    AnyType,
    Each,
    Kind,
    Many,
    Maybe,
    Record,
    Size,
    is_result_type,
    kinds,
    leading,
    per_class,
)
from ncc.ir.text.numbers import float_text, literal_text
from ncc.ir.text.words import quote, size_text, symbol_name, type_text, value_name, word
from ncc.ir.types import TensorType

Names = Mapping[Value, str]


def to_text(graph: Graph) -> str:
    """The text of `graph`, with a newline at its end."""
    file = next((loc.file for node in graph.nodes for loc in node.locs), "")
    lines = _graph_lines(graph, file, f" from {quote(file)}" if file else "")
    return "\n".join(lines) + "\n"


def names(graph: Graph) -> Names:
    """How each value of `graph` is called in its text."""
    results = (value for node in graph.nodes for value in node.results)
    found = {value: value_name(value.name) for value in graph.inputs}
    found.update((value, f"%{number}") for number, value in enumerate(results))
    return found


def node_text(node: Node, names: Names, file: str = "") -> str:
    """One statement; locations in `file` do not repeat it. Values without a name are `%?`."""
    results = ", ".join(names.get(value, "%?") for value in node.results) or "()"
    operands = ", ".join(names.get(value, "%?") for value in node.operands)
    called = f"({operands})" if operands else ""
    first, attributes = _attributes(node, file)
    types = ", ".join(type_text(value.type) for value in node.results)
    typed = f" : {types}" if types else ""
    locs = _locs_text(node.locs, file)
    return f"{results} = {node.op.name}{first}{called}{attributes}{typed}{locs}"


def _graph_lines(graph: Graph, file: str, origin: str) -> Iterator[str]:
    called = names(graph)
    inputs = ", ".join(f"{called[value]}: {type_text(value.type)}" for value in graph.inputs)
    yield f"graph {symbol_name(graph.name)}({inputs}){origin} {{"
    for node in graph.nodes:
        yield "  " + node_text(node, called, file).replace("\n", "\n  ")
    outputs = ", ".join(
        called[value] + (f" as {quote(name)}" if name else "")
        for value, name in zip(graph.outputs, graph.output_names, strict=True)
    )
    yield f"  return {outputs}".rstrip()
    yield "}"


def _attributes(node: Node, file: str) -> tuple[str, str]:
    """What stands after the name of the op, and what stands in braces."""
    op, defaults = node.op, _default_texts(type(node.op))
    typed = bool(node.results) and node.results[0].type == getattr(op, "type", None)
    texts = {
        name: attribute_text(kind, getattr(op, name), file)
        for name, kind in kinds(type(op)).items()
        if not (typed and is_result_type(name, kind))
    }
    shown = {name: text for name, text in texts.items() if defaults.get(name) != text}
    first = "" if node.operands else _first(node, shown)
    inner = ", ".join(f"{name} = {text}" for name, text in shown.items())
    return first, f" {{{inner}}}" if inner else ""


def _first(node: Node, shown: dict[str, str]) -> str:
    """Take the leading attribute out of `shown`, if the grammar takes it bare."""
    name = leading(type(node.op))
    if name is None or shown.get(name, "{").startswith(("{", "graph ")):
        return ""
    text, value = shown.pop(name), getattr(node.op, name)
    typed = isinstance(value, Literal) and node.results[0].type == value.type
    return f" {literal_text(value) if typed else text}"


@per_class
def _default_texts(cls: type) -> Mapping[str, str]:
    """The text of each default of an op."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    return {
        name: attribute_text(kind, defaults[name])
        for name, kind in kinds(cls).items()
        if defaults[name] is not dataclasses.MISSING
    }


def attribute_text(kind: Kind, value: Any, file: str = "") -> str:
    """A value of `kind` as the grammar reads it."""
    match kind:
        case Maybe(item):
            return "none" if value is None else attribute_text(item, value, file)
        case Many(item):
            return _list_text([attribute_text(item, each, file) for each in value])
        case Each(items):
            pairs = zip(items, value, strict=True)
            return _list_text([attribute_text(item, each, file) for item, each in pairs])
        case Record(cls):
            fields = kinds(cls).items()
            texts = (f"{n} = {attribute_text(k, getattr(value, n), file)}" for n, k in fields)
            return f"{{{', '.join(texts)}}}"
        case _:
            return _plain_text(kind, value, file)


def _list_text(texts: Sequence[str]) -> str:
    return f"[{', '.join(texts)}]"


def _plain_text(kind: type, value: Any, file: str) -> str:
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(int(value))
    if kind is float:
        return float_text(value)
    if kind is str:
        return quote(value)
    if kind is Size:
        return size_text(value)
    if kind in (TensorType, AnyType):
        return type_text(value)
    if kind is Literal:
        return f"{type_text(value.type)} {literal_text(value)}"
    if kind is Graph:
        return "\n".join(_graph_lines(value, file, ""))
    assert issubclass(kind, Enum), f"no text for {kind}"
    return word(str(value.value))


def _locs_text(locs: Locs, file: str) -> str:
    return f"    @ {', '.join(_loc_text(loc, file) for loc in locs)}" if locs else ""


@functools.lru_cache(maxsize=4096)
def _loc_text(loc: Loc, file: str) -> str:
    op = f" {word(loc.op)}" if loc.op else ""
    return quote(loc.node) + op + (f" in {quote(loc.file)}" if loc.file != file else "")
