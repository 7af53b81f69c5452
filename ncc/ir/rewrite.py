"""Rewrite rules: a pattern says what must be there, a body what must be true.

    @rule(P(Add, P(MatMul, V("x"), V("w"), once=True), V("bias")))
    def matmul_bias(build, x, w, bias): ...

The body gets the bound names it asks for by parameter name: values for `V`, ops for `bind`. It
returns the replacement, or `Skip(reason)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ncc.diagnostics import merge_locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Op


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a rule that matched does not apply."""

    reason: str


@dataclass(frozen=True, slots=True)
class V:
    """Matches any value and binds it; the same name twice must be the same value."""

    name: str


@dataclass(frozen=True, slots=True)
class P:
    """Matches the result of a node with one of the given ops and matching operands.

    `bind` names the op, `node` the node. `once` demands that nothing else reads the result.
    Without operand patterns, any operands match.
    """

    ops: type[Op] | tuple[type[Op], ...]
    operands: tuple[V | P, ...]
    bind: str = ""
    node: str = ""
    once: bool = False

    def __init__(
        self,
        ops: type[Op] | tuple[type[Op], ...],
        *operands: V | P,
        bind: str = "",
        node: str = "",
        once: bool = False,
    ) -> None:
        for name, value in locals().copy().items():
            if name != "self":
                object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Rule:
    """A named rewrite."""

    name: str
    pattern: P
    body: Callable[..., Any]
    wants: tuple[str, ...]


@dataclass
class Trace:
    """What rules did, for `ncc opt --trace` and the text tests: `rule: text`, in order."""

    lines: list[str] = field(default_factory=list)


def rule(pattern: P) -> Callable[[Callable[..., Any]], Rule]:
    """Make a rule of a body; its parameters after `build` are names that the pattern binds."""

    def make(body: Callable[..., Any]) -> Rule:
        wants = tuple(inspect.signature(body).parameters)[1:]
        return Rule(body.__name__, pattern, body, wants)

    return make


_CANONICAL: list[Rule] = []


def canonical(pattern: P) -> Callable[[Callable[..., Any]], Rule]:
    """A rule that `canonicalize` always applies; it stands beside the op it simplifies."""

    def make(body: Callable[..., Any]) -> Rule:
        made = rule(pattern)(body)
        _CANONICAL.append(made)
        return made

    return make


def canonical_rules() -> Sequence[Rule]:
    """Every rule registered beside an op, in order of file and line."""
    return tuple(_CANONICAL)


def rewrite(
    graph: Graph, rules: Sequence[Rule], *, trace: Trace | None = None, rounds: int = 16
) -> Graph:
    """Apply `rules` to every node, in order, until none fires; at most `rounds` sweeps.

    The replacement's nodes carry the locations of every node that matched.
    """
    for _ in range(rounds):
        after = _sweep(graph, rules, trace)
        if after is graph:
            break
        graph = after
    return graph


def _sweep(graph: Graph, rules: Sequence[Rule], trace: Trace | None) -> Graph:
    """One pass over the graph; the first rule that fires on a node wins."""
    readers = _Readers(graph)
    by_op: dict[type[Op], list[Rule]] = {}
    for candidate in rules:
        ops = candidate.pattern.ops
        for kind in ops if isinstance(ops, tuple) else (ops,):
            by_op.setdefault(kind, []).append(candidate)

    def visit(build: Builder, node: Node) -> Value | tuple[Value, ...] | None:
        for candidate in by_op.get(type(node.op), ()):
            bound = _Match(readers)
            if not bound.node(candidate.pattern, node):
                continue
            build.locs = merge_locs(found.locs for found in reversed(bound.nodes))
            mark = len(build.nodes)
            outcome = candidate.body(build, *(bound.names[name] for name in candidate.wants))
            if isinstance(outcome, Skip):
                del build.nodes[mark:]
                if trace:
                    trace.lines.append(f"{candidate.name}: {outcome.reason}")
                continue
            if trace:
                trace.lines.append(f"{candidate.name}: fired on {node.op.name}")
            readers.note(build.nodes[mark:])
            replaced: Value | tuple[Value, ...] = outcome
            return replaced
        readers.note([node])
        return None

    return graph.rebuild(visit)


class _Readers:
    """How many readers each value has, kept up as operands are replaced during a sweep.

    A value that was rebuilt counts the readers of the one it stands for; nodes made by a rule
    in this sweep count as shared until the next sweep sees them whole.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made: set[Value] = set()

    def note(self, nodes: Sequence[Node]) -> None:
        known = self.graph.uses
        self.made.update(v for node in nodes for v in node.results if v not in known)

    def once(self, value: Value) -> bool:
        return value not in self.made and self.graph.readers(value) == 1


class _Match:
    """Names bound while a pattern is matched against a node."""

    def __init__(self, readers: _Readers) -> None:
        self.readers = readers
        self.names: dict[str, Any] = {}
        self.nodes: list[Node] = []

    def value(self, pattern: V | P, value: Value) -> bool:
        if isinstance(pattern, V):
            return self.names.setdefault(pattern.name, value) is value
        if value.node is None or len(value.node.results) != 1:
            return False
        if pattern.once and not self.readers.once(value):
            return False
        return self.node(pattern, value.node)

    def node(self, pattern: P, node: Node) -> bool:
        if not isinstance(node.op, pattern.ops):
            return False
        if pattern.operands and len(pattern.operands) != len(node.operands):
            return False
        pairs: Iterator[tuple[V | P, Value]] = zip(pattern.operands, node.operands, strict=False)
        if not all(self.value(inner, value) for inner, value in pairs):
            return False
        self.nodes.append(node)
        for name, bound in ((pattern.bind, node.op), (pattern.node, node)):
            if name:
                self.names[name] = bound
        return True
