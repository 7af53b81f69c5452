"""Leave out the nodes that nobody reads."""

from ncc.ir.graph import Graph, Node, Value


def prune(graph: Graph) -> Graph:
    """`graph` without the nodes that no output depends on; inputs stay."""
    needed: set[Value] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.results):
            needed.update(node.operands)
            kept.append(node)
    return graph.with_nodes(reversed(kept))
