"""Check a graph: definitions before uses, inferred types, names, and what a phase allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ncc.ir.graph import Graph, Node, Value
from ncc.ir.schema import arity, holds, kinds


@dataclass(frozen=True)
class Spec:
    """What may exist after a phase: `allows(node)` gives a reason why not, or None."""

    name: str
    allows: Callable[[Node], str | None]


def verify(graph: Graph) -> None:
    """Assert that `graph`, and each graph that its nodes hold, is well formed.

    A failure is our own bug.
    """
    defined: set[Value] = set(graph.inputs)
    _verify_names([value.name for value in graph.inputs], f"@{graph.name}: two inputs")
    for node in graph.nodes:
        _verify_node(node, defined, f"@{graph.name}: {node.op.name}")
        defined.update(node.results)
    for value in graph.outputs:
        assert value in defined, f"@{graph.name} returns a value that it does not define"
    outputs = [name for name in graph.output_names if name]
    _verify_names(outputs, f"@{graph.name}: two outputs")


def conform(graph: Graph, spec: Spec) -> None:
    """Assert that `graph` keeps to `spec`, which is about its own nodes; our own bug if not."""
    for node in graph.nodes:
        if reason := spec.allows(node):
            raise AssertionError(f"@{graph.name}: {node.op.name} after {spec.name}: {reason}")


def _verify_names(names: list[str], what: str) -> None:
    assert len(set(names)) == len(names), f"{what} share a name"


def _verify_node(node: Node, defined: set[Value], where: str) -> None:
    for value in node.operands:
        assert value in defined, f"{where} reads a value before it is defined"
    for value in node.results:
        assert value not in defined, f"{where} defines a value again"
    takes = arity(type(node.op))
    assert takes.takes(len(node.operands)), f"{where} takes {takes}, not {len(node.operands)}"
    _verify_attributes(node, where)
    inferred = node.op.infer(*(value.type for value in node.operands))
    types = inferred if isinstance(inferred, tuple) else (inferred,)
    held = tuple(value.type for value in node.results)
    assert types == held, f"{where} is typed {held}, its op says {types}"


def _verify_attributes(node: Node, where: str) -> None:
    for name, kind in kinds(type(node.op)).items():
        value = getattr(node.op, name)
        assert holds(kind, value), f"{where} has {name} = {value!r}, which is no {kind}"
        if isinstance(value, Graph):
            verify(value)
