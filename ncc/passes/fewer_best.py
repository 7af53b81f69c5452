"""Only as many of the best elements as are read.

    %0, %1 = topk(%x) {axis = 0, k = 64, largest = true} : f32[64], i64[64]
    %2 = slice(%0) {starts = [0], sizes = [8], steps = [1]} : f32[8]
becomes
    %0, %1 = topk(%x) {axis = 0, k = 8, largest = true} : f32[8], i64[8]
    %2 = slice(%0) {starts = [0], sizes = [8], steps = [1]} : f32[8]

Exporters write a sort as the best of all, and what follows often takes its first elements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.topk import TopK
from ncc.passes import graph_pass


@graph_pass
def fewer_best(graph: Graph) -> Graph:
    """`graph` with the `k` of each topk no larger than what slices take of its results."""
    sliced = _sliced(graph)

    def visit(build: Builder, node: Node, original: Node) -> tuple[Value, ...] | None:
        if not isinstance(node.op, TopK):
            return None
        wanted = max(_wanted(node.op, sliced[value]) for value in original.results)
        if wanted >= node.op.k:
            return None
        return build.node(dataclasses.replace(node.op, k=wanted), *node.operands).results

    return graph.rebuild_beside(visit)


def _sliced(graph: Graph) -> dict[Value, list[Slice | None]]:
    """The slices that read each result of a topk, None for another reader."""
    readers: dict[Value, list[Slice | None]] = {
        value: [] for node in graph.nodes if isinstance(node.op, TopK) for value in node.results
    }
    for node in graph.nodes:
        for value in node.operands:
            if value in readers:
                readers[value].append(node.op if isinstance(node.op, Slice) else None)
    for value in graph.outputs:
        if value in readers:
            readers[value].append(None)
    return readers


def _wanted(best: TopK, readers: Sequence[Slice | None]) -> int:
    """How many elements are read, from the first on."""
    return max((best.k if cut is None else _end(cut, best.axis) for cut in readers), default=0)


def _end(cut: Slice, axis: int) -> int:
    """The place behind the last element that a slice takes along a static axis."""
    start, size, step = cut.starts[axis], cut.sizes[axis], cut.steps[axis]
    assert isinstance(size, int)
    return max(start, start + (size - 1) * step) + 1 if size else 0
