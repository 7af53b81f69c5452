"""From text to a graph: names are resolved, attributes made, types inferred and compared."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from lark import Token

from ncc.diagnostics import Locs, NccError, meant
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.op import OPS, Op, load_ops
from ncc.ir.schema import Kind, arity, is_result_type, kinds, leading
from ncc.ir.text import syntax
from ncc.ir.text.attributes import Reader
from ncc.ir.text.numbers import read_literal
from ncc.ir.text.syntax import Block, Pair, Source, Statement
from ncc.ir.text.words import type_text, unquote, unsigil
from ncc.ir.types import TensorType, Type


def parse(text: str, *, file: str = "") -> Graph:
    """The graph that `text` spells; `file` is where it came from, for errors.

    NccError `parse` with line and column where it is not well formed, `type-mismatch` where a
    written type is not the inferred one, and what the ops say of their operands.
    """
    load_ops()
    source = Source(text, file)
    block = syntax.read(source, "graph")
    try:
        return _Parser(source).graph(block, "")
    except RecursionError:
        raise NccError("parse", f"{file or 'the text'} is nested too deep") from None


def parse_calls(text: str) -> list[tuple[str, Options]]:
    """`a, b(to = bf16)` as names with options, which become values when their kinds are known."""
    source = Source(text, "")
    calls = syntax.read(source, "calls")
    return [(str(call.name), Options(source, call.options)) for call in calls]


class Options:
    """Options as they are written."""

    def __init__(self, source: Source, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._reader = Reader(source, _no_graph)

    def values(self, known: Mapping[str, Kind], owner: str) -> dict[str, Any]:
        """The value of each option; NccError for one that `owner` does not have."""
        return self._reader.fields(self._pairs, known, owner)


def _no_graph(block: Block) -> Graph:
    raise ValueError("a graph cannot stand here")


class _Parser:
    """Builds graphs from the statements of one text."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def graph(self, block: Block, file: str) -> Graph:
        """One graph; nested ones share the file of their outermost."""
        if block.file is not None:
            file = unquote(block.file)
        scope: dict[str, Value] = {}
        inputs = [
            self.define(scope, token, self.input(token, type)) for token, type in block.inputs
        ]
        build = Builder()
        for statement in block.nodes:
            node = build.append(self.node(build, statement, scope, file))
            if len(node.results) != len(statement.results):
                count = len(node.results)
                message = f"{node.op.name} has {count} result{'' if count == 1 else 's'}"
                raise self.source.error(statement.op, f"{message}, not {len(statement.results)}")
            for token, value in zip(statement.results, node.results, strict=True):
                self.define(scope, token, value)
        outputs = [self.find(scope, token) for token, _ in block.outputs]
        written = [unquote(name) if name else "" for _, name in block.outputs]
        return Graph(unsigil(block.symbol), inputs, build.nodes, outputs, written)

    def input(self, token: Token, type: Any) -> Value:
        return Value(self.reader("").read_type(type), name=unsigil(token))

    def reader(self, file: str) -> Reader:
        return Reader(self.source, functools.partial(self.graph, file=file))

    def define(self, scope: dict[str, Value], token: Token, value: Value) -> Value:
        if token in scope:
            raise self.source.error(token, f"{token} is defined twice")
        scope[str(token)] = value
        return value

    def find(self, scope: dict[str, Value], token: Token) -> Value:
        if token not in scope:
            raise self.source.error(token, f"{token} is not defined", hint=meant(token, scope))
        return scope[token]

    def node(
        self, build: Builder, statement: Statement, scope: dict[str, Value], file: str
    ) -> Node:
        cls = self.op_class(statement.op)
        operands = [self.find(scope, token) for token in statement.operands]
        reader = self.reader(file)
        types = [reader.read_type(type) for type in statement.types]
        if not arity(cls).takes(len(operands)):
            message = f"{cls.name} takes {arity(cls)}, not {len(operands)}"
            raise self.source.error(statement.op, message)
        op = self.op(cls, statement, types, reader)
        locs = tuple(written.loc(file) for written in statement.locs)
        made = self.infer(build, statement, op, operands, locs)
        self.check_types(statement, types, made)
        return made

    def op_class(self, token: Token) -> type[Op]:
        if token not in OPS:
            message = f"there is no op '{token}'"
            raise self.source.error(token, message, hint=meant(token, OPS))
        return OPS[token]

    def op(self, cls: type[Op], statement: Statement, types: Sequence[Type], reader: Reader) -> Op:
        """The op with its attributes: the first one, those in braces, and what the type says."""
        known = kinds(cls)
        values: dict[str, Any] = {}
        if statement.first is not None:
            values.update(self.first(statement, types, reader))
        values |= reader.fields(statement.attributes, known, cls.name)
        for name, kind in known.items():
            if types and name not in values and is_result_type(name, kind):
                values[name] = types[0]
        needed = {
            field.name
            for field in dataclasses.fields(cls)  # type: ignore[arg-type]  # ops are dataclasses
            if field.default is dataclasses.MISSING
        }
        for name in known:
            if name in needed and name not in values:
                raise self.source.error(statement.op, f"{cls.name} needs the attribute '{name}'")
        return cls(**values)

    def first(self, statement: Statement, types: Sequence[Type], reader: Reader) -> dict[str, Any]:
        """The attribute that is written after the name of the op."""
        op = statement.op
        name = leading(OPS[op])
        if name is None or statement.operands:
            raise self.source.error(op, f"'{op}' takes its attributes in braces")
        kind = kinds(OPS[op])[name]
        if kind is Literal and not isinstance(statement.first, syntax.Dense):
            if not types or not isinstance(types[0], TensorType):
                raise self.source.error(op, f"'{op}' needs its type after a colon")
            elements, type = statement.first, types[0]
            return {name: reader.guarded(op, lambda: read_literal(type, elements))}
        return {name: reader.value(kind, statement.first, op)}

    def infer(
        self, build: Builder, statement: Statement, op: Op, operands: Sequence[Value], locs: Locs
    ) -> Node:
        """The node, with an error about its operands shown on the line that has them."""
        try:
            return build.make(op, operands, locs)
        except NccError as error:
            line = self.source.line(statement.op.line or 1).strip()
            error.details = dataclasses.replace(error.details, text=line)
            raise

    def check_types(self, statement: Statement, types: Sequence[Type], node: Node) -> None:
        inferred = [value.type for value in node.results]
        if not types or list(types) == inferred:
            return
        shown, found = (", ".join(map(type_text, each)) for each in (types, inferred))
        message = f"written as {shown}, but {node.op.name} gives {found}"
        error = self.source.error(statement.op, message, code="type-mismatch")
        raise error.located(locs=node.locs)
