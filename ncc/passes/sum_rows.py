"""Combine the rows of a plane each for itself, then what is left of them.

    %0 = reduce_sum(%x) {axes = [2, 3]} : f32[1, 32, 1, 1]      %x : f32[1, 32, 64, 64]
becomes
    %0 = reduce_sum(%x) {axes = [3]} : f32[1, 32, 64, 1]
    %1 = reduce_sum(%0) {axes = [2, 3]} : f32[1, 32, 1, 1]

Where few channels lie fastest, cores share the rows of a plane, and a row is near when the next
channels are read. A norm, which combines a plane with its own sum, stays one kernel; and so does a
reduction of an input, whose planes lie together.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.reduce import Reduce, ReduceMean
from ncc.passes import graph_pass

ROW = 16
"""Elements of a row from which it is worth a number of its own."""
PLANE = 512
"""Elements of a plane from which its rows are."""
FOLLOWED = 8
"""Nodes around a reduction that are looked at."""


@graph_pass
def sum_rows(graph: Graph) -> Graph:
    """`graph` with reductions over all axes but the first two in two steps, if rows are long."""
    chosen = {node for node in graph.nodes if _has_long_rows(node) and not _returns(graph, node)}

    def visit(build: Builder, node: Node, original: Node) -> Value | None:
        return _in_two_steps(build, node.op, node.operands[0]) if original in chosen else None

    return graph.rebuild_beside(visit)


def _has_long_rows(node: Node) -> bool:
    op = node.op
    if not isinstance(op, Reduce) or isinstance(op, ReduceMean) or node.is_constant:
        return False
    dims = node.operands[0].tensor.dims
    plane = op.axes == tuple(range(2, len(dims))) and len(dims) > 3
    long = plane and dims[-1] >= ROW and math.prod(dims[2:]) >= PLANE
    return long and not _is_given(node.operands[0])


def _is_given(x: Value) -> bool:
    """Whether a value is made of inputs element by element, so that it lies as they do."""
    seen = [x]
    for value in seen:
        if value.node is None or value.is_constant:
            continue
        if not isinstance(value.node.op, Elementwise) or len(seen) > FOLLOWED:
            return False
        seen += value.node.operands
    return True


def _returns(graph: Graph, node: Node) -> bool:
    """Whether an elementwise op combines the result with something as large as the operand."""
    size = node.operands[0].tensor.size
    seen: list[Value] = [node.result]
    for value in seen:
        for reader in graph.uses.get(value, ()):
            if not isinstance(reader.op, Elementwise):
                continue
            if reader.result.tensor.size >= size or len(seen) > FOLLOWED:
                return True
            seen.append(reader.result)
    return False


def _in_two_steps(build: Builder, op: object, x: Value) -> Value:
    assert isinstance(op, Reduce)
    narrow, wide = x.tensor.dtype, x.tensor.dtype.compute
    x = x if wide is narrow else build(Cast(wide), x)
    rows = build(replace(op, axes=op.axes[-1:], keepdims=True), x)
    whole = build(op, rows)
    return whole if wide is narrow else build(Cast(narrow), whole)
