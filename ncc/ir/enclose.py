"""Take nodes that were just built out of a graph, as a graph of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.weight import Weight


def withdraw(build: Builder, start: int) -> list[Node]:
    """Take the nodes from number `start` on out of `build`; weights and literals stay in it."""
    made = build.nodes[start:]
    build.nodes[start:] = [node for node in made if _is_source(node)]
    return [node for node in made if not _is_source(node)]


def _is_source(node: Node) -> bool:
    return isinstance(node.op, Constant | Weight)


def enclose(
    build: Builder, start: int, name: str, inputs: Sequence[Value], outputs: Sequence[Value]
) -> tuple[Graph, tuple[Value, ...]]:
    """The nodes from number `start` on as a graph from `inputs` to `outputs`; and what it takes.

    Values from outside become inputs after `inputs`, in the order in which they are returned.
    Literals are copied into the graph.
    """
    body = Builder()
    mapped = {value: value for value in inputs}
    captured: dict[Value, Value] = {}

    def inside(value: Value) -> Value:
        if value not in mapped and isinstance(value.op, Constant):
            mapped[value] = body(value.op)
        elif value not in mapped:
            mapped[value] = captured[value] = Value(value.type, name=f"c{len(captured)}")
        return mapped[value]

    for node in withdraw(build, start):
        copy = body.node(node.op, *map(inside, node.operands), locs=node.locs)
        mapped.update(zip(node.results, copy.results, strict=True))
    results = [inside(value) for value in outputs]
    return Graph(name, [*inputs, *captured.values()], body.nodes, results), tuple(captured)
