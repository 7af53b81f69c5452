"""Run kernels in the order that needs the least memory at once.

Of two orders, the one of the model and the one that finishes what is started first (each node as
late as its first reader allows), the pass takes the one with the smaller peak of live bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ncc.ir.graph import Graph, Node, Value
from ncc.ir.types import TensorType
from ncc.passes import graph_pass
from ncc.passes.fuse import constant_values


@graph_pass
def order(graph: Graph) -> Graph:
    """The same nodes, in the better order of the two; the order as it is on a draw."""
    constant = constant_values(graph)
    depth_first = _depth_first(graph)
    if _peak(graph, depth_first, constant) < _peak(graph, graph.nodes, constant):
        return graph.with_nodes(depth_first)
    return graph


def _depth_first(graph: Graph) -> list[Node]:
    """Every node after the operands that it reads, those of the first output first."""
    done: dict[Node, None] = {}
    stack = [value.node for value in reversed(graph.outputs) if value.node]
    stack = [*(node for node in reversed(graph.nodes)), *stack]
    while stack:
        node = stack[-1]
        waiting = [v.node for v in node.operands if v.node is not None and v.node not in done]
        if waiting and node not in done:
            stack += reversed(waiting)
            continue
        stack.pop()
        done.setdefault(node)
    return list(done)


def _peak(graph: Graph, nodes: Sequence[Node], constant: set[Value]) -> int:
    """The most bytes of computed values that are live at once, were every result stored."""
    readers: dict[Value, int] = dict.fromkeys(graph.outputs, 1)
    for node in nodes:
        for value in node.operands:
            readers[value] = readers.get(value, 0) + 1
    live = most = 0
    for node in nodes:
        if node.results[0] in constant:
            continue
        live += sum(_nbytes(value) for value in node.results)
        most = max(most, live)
        for value in node.operands:
            readers[value] -= 1
            if not readers[value] and value.node is not None and value not in constant:
                live -= _nbytes(value)
    return most


def _nbytes(value: Value) -> int:
    static = isinstance(value.type, TensorType) and value.type.is_static
    return value.tensor.nbytes if static else 0
