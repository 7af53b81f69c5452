"""Compute an element before it is moved: beside what made it, in the same kernel.

    %0 = matmul(%x, %w) : f32[4, 6]
    %1 = reshape(%0) {shape = [4, 2, 3]} : f32[4, 2, 3]
    %2 = relu(%1) : f32[4, 2, 3]
becomes
    %0 = matmul(%x, %w) : f32[4, 6]
    %1 = relu(%0) : f32[4, 6]
    %2 = reshape(%1) {shape = [4, 2, 3]} : f32[4, 2, 3]

A cast to a wider type stays where it is, as narrow elements are cheaper to move.
"""

from __future__ import annotations

from ncc.ir.fold import is_literal
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise, Op
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import Reduce
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.prune import prune
from ncc.passes import graph_pass

VIEWS = (Reshape, Transpose)
MAX_VIEWS = 4
"""Views that an element is computed before; each is made again behind it."""
MAKERS = (Conv, Elementwise, MatMul, Reduce)


@graph_pass
def compute_early(graph: Graph) -> Graph:
    """`graph` with elementwise ops of one operand before the reshapes and transposes of it."""
    after = graph.rebuild(_visit)
    return graph if after is graph else prune(after)


def _visit(build: Builder, node: Node) -> Value | None:
    moved = _only_operand(node)
    if moved is None or node.result.tensor.dtype.itemsize > moved.tensor.dtype.itemsize:
        return None
    value, views = moved, list[Op]()
    while value.node is not None and isinstance(value.node.op, VIEWS) and len(views) < MAX_VIEWS:
        views.append(value.node.op)
        value = value.node.operands[0]
    if not views or not isinstance(value.op, MAKERS):
        return None
    made = build(node.op, *(value if operand is moved else operand for operand in node.operands))
    for view in reversed(views):
        made = build(view, made)
    return made


def _only_operand(node: Node) -> Value | None:
    """The one operand of an elementwise op that is no number."""
    if not isinstance(node.op, Elementwise):
        return None
    numbers = {value for value in node.operands if is_literal(value) and value.tensor.rank == 0}
    others = set(node.operands) - numbers
    return others.pop() if len(others) == 1 else None
