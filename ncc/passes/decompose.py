"""Expand composite ops into smaller ones.

    %0 = softmax(%x) {axis = 1} : f32[2, 8]
becomes
    %0 = reduce_max(%x) {axes = [1]} : f32[2, 1]
    %1 = sub(%x, %0) : f32[2, 8]
    %2 = exp(%1) : f32[2, 8]
    %3 = reduce_sum(%2) {axes = [1]} : f32[2, 1]
    %4 = div(%2, %3) : f32[2, 8]
"""

from __future__ import annotations

from collections.abc import Callable

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.passes import graph_pass


def _nothing(node: Node) -> bool:
    return False


@graph_pass
def decompose(graph: Graph, *, takes: Callable[[Node], bool] = _nothing) -> Graph:
    """`graph` with every op that has parts, and that `takes` does not say yes to, in parts."""

    def visit(build: Builder, node: Node) -> Value | tuple[Value, ...] | None:
        return None if takes(node) else node.op.decompose(build, *node.operands)

    while (after := graph.rebuild(visit)) is not graph:
        graph = after
    return graph
