"""Rewrite rules: a pattern says what must be there, a body what must be true.

    @rule(P(Add, P(MatMul, V("x"), V("w"), once=True), V("bias")))
    def matmul_bias(build, x, w, bias): ...

The body gets the bound names it asks for by parameter name: values for `V`, `C` and `D`, ops for
`bind`. It returns the replacement, or `Skip(reason)`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ncc.diagnostics import merge_locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Op
from ncc.ir.prune import prune
from ncc.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a rule that matched does not apply."""

    reason: str


@dataclass(frozen=True, slots=True)
class V:
    """Matches any value and binds it; the same name twice must be the same value."""

    name: str


@dataclass(frozen=True, slots=True)
class C:
    """Matches and binds a value that depends on constants and weights alone."""

    name: str


@dataclass(frozen=True, slots=True)
class D:
    """Matches and binds a value that depends on an input of the graph, or on chance."""

    name: str


@dataclass(frozen=True, slots=True)
class P:
    """Matches the result of a node with one of the given ops and matching operands.

    `bind` names the op, `node` the node. `once` demands that nothing else reads the result.
    Without operand patterns, any operands match.
    """

    ops: type[Op] | tuple[type[Op], ...]
    operands: tuple[Pattern, ...]
    bind: str = ""
    node: str = ""
    once: bool = False

    def __init__(
        self,
        ops: type[Op] | tuple[type[Op], ...],
        *operands: Pattern,
        bind: str = "",
        node: str = "",
        once: bool = False,
    ) -> None:
        for name, value in locals().copy().items():
            if name != "self":
                object.__setattr__(self, name, value)


Pattern = V | C | D | P


@dataclass(frozen=True)
class Rule:
    """A named rewrite."""

    name: str
    pattern: P
    body: Callable[..., Any]
    wants: tuple[str, ...]


@dataclass
class Trace:
    """What rules did, in order: `rule: mul %2`, or `rule: mul %2 kept: reason`.

    Values are numbered as in the text of the graph that the rule saw. Reasons are those of the
    last sweep, the one in which no rule fired.
    """

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

    def place(rule: Rule) -> tuple[str, int]:
        return rule.body.__module__, rule.body.__code__.co_firstlineno

    return sorted(_CANONICAL, key=place)


def rewrite(
    graph: Graph, rules: Sequence[Rule], *, trace: Trace | None = None, rounds: int = 16
) -> Graph:
    """Apply `rules` to every node, in order, until none fires; at most `rounds` sweeps.

    The replacement's nodes carry the locations of every node that matched. Nodes that lose their
    last reader are left out.
    """
    for _ in range(rounds):
        sweep = _Sweep(graph, rules)
        after = graph.rebuild_beside(sweep.visit)
        if trace:
            trace.lines += sweep.fired or sweep.kept
        if after is graph:
            break
        graph = prune(after)
    return graph


class _Sweep:
    """One pass over a graph; the first rule that fires on a node wins."""

    def __init__(self, graph: Graph, rules: Sequence[Rule]) -> None:
        self.facts = _Facts(graph)
        self.rules = rules
        self.rules_of: dict[type[Op], list[Rule]] = {}
        self.number = 0
        self.fired: list[str] = []
        self.kept: list[str] = []

    def visit(self, build: Builder, node: Node, original: Node) -> tuple[Value, ...] | None:
        label = f"{node.op.name} %{self.number}"
        self.number += len(node.results)
        for candidate in self.candidates(type(node.op)):
            mark = len(build.nodes)
            outcome = self.apply(candidate, build, node)
            if isinstance(outcome, Skip):
                del build.nodes[mark:]
                self.kept.append(f"{candidate.name}: {label} kept: {outcome.reason}")
            elif outcome is not None:
                self.fired.append(f"{candidate.name}: {label}")
                self.facts.replaced(original, build.nodes[mark:], outcome)
                return outcome
        self.facts.kept(original, node)
        return None

    def candidates(self, kind: type[Op]) -> list[Rule]:
        """The rules whose pattern has such an op at its root."""
        if kind not in self.rules_of:
            self.rules_of[kind] = [r for r in self.rules if issubclass(kind, r.pattern.ops)]
        return self.rules_of[kind]

    def apply(self, candidate: Rule, build: Builder, node: Node) -> tuple[Value, ...] | Skip | None:
        """What a rule puts in the place of `node`; None when its pattern does not match."""
        match = _Match(self.facts)
        if not match.node(candidate.pattern, node):
            return match.blocked
        build.locs = merge_locs(found.locs for found in reversed(match.nodes))
        outcome = candidate.body(build, *(match.names[name] for name in candidate.wants))
        if isinstance(outcome, Skip):
            return outcome
        made: tuple[Value, ...] = outcome if isinstance(outcome, tuple) else (outcome,)
        _check_types(candidate, node, made)
        return made


def _check_types(rule: Rule, node: Node, made: tuple[Value, ...]) -> None:
    """A rule keeps every type, or makes open sizes known."""
    for old, new in zip(node.results, made, strict=True):
        is_open = isinstance(old.type, TensorType) and not old.type.is_static
        assert new.type == old.type or is_open, f"{rule.name} turns {old.type} into {new.type}"


class _Facts:
    """How many read each value during a sweep.

    A value that takes the place of another takes its readers. Readers that a rule made redundant
    are counted until the next sweep.
    """

    def __init__(self, graph: Graph) -> None:
        self.readers = Counter(value for node in graph.nodes for value in node.operands)
        self.readers.update(graph.outputs)

    def kept(self, original: Node, node: Node) -> None:
        """`node` stands where `original` stood, perhaps with other operands."""
        if node is not original:
            self._pass_on(original, node.results)

    def replaced(self, original: Node, made: Sequence[Node], outcome: tuple[Value, ...]) -> None:
        """`outcome` stands where `original` stood; `made` are new nodes, in order."""
        for node in made:
            self.readers.update(node.operands)
        self._pass_on(original, outcome)

    def _pass_on(self, original: Node, results: tuple[Value, ...]) -> None:
        for old, new in zip(original.results, results, strict=True):
            self.readers[new] += self.readers[old]


class _Match:
    """Names bound while a pattern is matched against a node."""

    def __init__(self, facts: _Facts) -> None:
        self.facts = facts
        self.names: dict[str, Any] = {}
        self.nodes: list[Node] = []
        self.blocked: Skip | None = None

    def value(self, pattern: Pattern, value: Value) -> bool:
        if isinstance(pattern, C | D) and value.is_constant is not isinstance(pattern, C):
            return False
        if not isinstance(pattern, P):
            return self.names.setdefault(pattern.name, value) is value
        if value.node is None or len(value.node.results) != 1:
            return False
        if not self.node(pattern, value.node):
            return False
        if pattern.once and self.facts.readers[value] != 1:
            self.blocked = Skip(f"{value.node.op.name} has another use")
            return False
        return True

    def node(self, pattern: P, node: Node) -> bool:
        if not isinstance(node.op, pattern.ops):
            return False
        if pattern.operands and len(pattern.operands) != len(node.operands):
            return False
        pairs: Iterator[tuple[Pattern, Value]] = zip(pattern.operands, node.operands, strict=False)
        if not all(self.value(inner, value) for inner, value in pairs):
            return False
        self.nodes.append(node)
        for name, bound in ((pattern.bind, node.op), (pattern.node, node)):
            if name:
                self.names[name] = bound
        return True
