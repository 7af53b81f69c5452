"""Multiply integers in f32, for targets without products of bf16.

    %0 = cast(%x) {to = bf16} : bf16[4, 8]
    %1 = matmul(%0, %w) {result = f32} : f32[4, 2]
becomes, for an i32 %x and a bf16 %w
    %0 = cast(%x) {to = f32} : f32[4, 8]
    %1 = cast(%w) {to = f32} : f32[8, 2]
    %2 = matmul(%0, %1) : f32[4, 2]

The integers are such that bf16 holds them, and so f32 does: the sums are the same.
"""

from __future__ import annotations

import dataclasses

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import MatMul
from ncc.ir.types import DType
from ncc.passes import graph_pass


@graph_pass
def widen_integers(graph: Graph) -> Graph:
    """`graph` with products of bf16 of which an operand is made of integers in f32."""

    def visit(build: Builder, node: Node) -> Value | None:
        op = node.op
        if not isinstance(op, Conv | MatMul) or op.result is not DType.f32:
            return None
        narrow = all(value.tensor.dtype is DType.bf16 for value in node.operands)
        if not narrow or all(_integers(value) is None for value in node.operands):
            return None
        wide = (build(Cast(DType.f32), _integers(value) or value) for value in node.operands)
        return build(dataclasses.replace(op, result=None), *wide)

    return graph.rebuild(visit)


def _integers(value: Value) -> Value | None:
    """The integers that `value` was cast from."""
    if not isinstance(value.op, Cast) or value.node is None:
        return None
    source = value.node.operands[0]
    return source if source.tensor.dtype.is_int else None
