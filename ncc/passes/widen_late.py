"""Move narrow elements, and widen them where they arrive.

    %0 = cast(%x) {to = f32} : f32[2, 8]
    %1 = transpose(%0) {perm = [1, 0]} : f32[8, 2]
becomes, for a bf16 %x
    %0 = transpose(%x) {perm = [1, 0]} : bf16[8, 2]
    %1 = cast(%0) {to = f32} : f32[8, 2]
"""

from __future__ import annotations

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast, holds
from ncc.ir.prune import prune
from ncc.ir.types import DType
from ncc.passes import graph_pass
from ncc.passes.movement import MOVES, carried


@graph_pass
def widen_late(graph: Graph) -> Graph:
    """`graph` with casts from a type to one that holds it after the ops that only move."""

    def visit(build: Builder, node: Node) -> Value | None:
        narrow = _source_dtype(node)
        if narrow is None:
            return None
        moved = set(carried(node, narrow))
        sources = [value.node.operands[0] if value in moved else value for value in node.operands]  # type: ignore[union-attr]  # moved values are casts
        return build(Cast(node.result.tensor.dtype), build(node.op, *sources))

    after = graph.rebuild(visit)
    return graph if after is graph else prune(after)


def _source_dtype(node: Node) -> DType | None:
    """The one type that all moved operands of `node` are widened from."""
    if type(node.op) not in MOVES:
        return None
    found = {_widened_from(value) for value in carried(node, node.operands[0].tensor.dtype)}
    (dtype,) = found if len(found) == 1 else (None,)
    return dtype if dtype is not None and carried(node, dtype) else None


def _widened_from(value: Value) -> DType | None:
    """The type that `value` had before a cast to a type that holds it."""
    if not isinstance(value.op, Cast) or value.node is None:
        return None
    source = value.node.operands[0].tensor.dtype
    return source if source.is_float and holds(value.op.to, source) else None
