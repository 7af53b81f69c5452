"""Put a device graph into the forms that kernels are written for.

    %0 = reduce_sum(%x) {axes = [1], keepdims = false} : f32[8]
becomes
    %0 = reduce_sum(%x) {axes = [1], keepdims = true} : f32[8, 1]
    %1 = reshape(%0) {shape = [8]} : f32[8]

and a product of f16 becomes a product of f32, rounded to f16: the same sums, exactly.
"""

from __future__ import annotations

from dataclasses import replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import Reduce
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType


def legalize(graph: Graph) -> Graph:
    """See above; everything else stays."""
    return graph.rebuild(_visit)


def _visit(build: Builder, node: Node) -> Value | None:
    op = node.op
    if isinstance(op, Reduce) and not op.keepdims:
        kept = build(replace(op, keepdims=True), *node.operands)
        return build(Reshape(node.result.tensor.shape), kept)
    if isinstance(op, MatMul | Conv) and node.operands[0].tensor.dtype is DType.f16:
        wide = [build(Cast(DType.f32), value) for value in node.operands]
        product = build(replace(op, result=None), *wide)
        return build(Cast(node.result.tensor.dtype), product)
    return None
