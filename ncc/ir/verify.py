"""Check a graph: definitions before uses, inferred types, names, and what a phase allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ncc.ir.graph import Graph, Node, Value


@dataclass(frozen=True)
class Spec:
    """What may exist after a phase: `allows(node)` gives a reason why not, or None."""

    name: str
    allows: Callable[[Node], str | None]


def verify(graph: Graph, spec: Spec | None = None) -> None:
    """Assert that `graph` is well formed and keeps to `spec`; a failure is our own bug."""
    defined: set[Value] = set(graph.inputs)
    names = [value.name for value in graph.inputs]
    assert len(set(names)) == len(names), f"@{graph.name}: two inputs share a name"
    for node in graph.nodes:
        _verify_node(node, defined)
        if spec is not None and (reason := spec.allows(node)):
            raise AssertionError(f"@{graph.name} after {spec.name}: {node.op.name}: {reason}")
        defined.update(node.results)
    for value in graph.outputs:
        assert value in defined, f"@{graph.name} returns a value that it does not define"


def _verify_node(node: Node, defined: set[Value]) -> None:
    for value in node.operands:
        assert value in defined, f"{node.op.name} reads a value before it is defined"
    inferred = node.op.infer(*(value.type for value in node.operands))
    types = inferred if isinstance(inferred, tuple) else (inferred,)
    held = tuple(value.type for value in node.results)
    assert types == held, f"{node.op.name} is typed {held}, its op says {types}"
