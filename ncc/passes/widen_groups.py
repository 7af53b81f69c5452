"""Multiply groups of few channels in the wide type: the same products, added in f32 as well.

    %0 = conv(%x, %w) {groups = 8, result = f32} : f32[1, 32, 6, 6]      %x : bf16[1, 32, 6, 6]
becomes
    %0 = cast(%x) {to = f32} : f32[1, 32, 6, 6]
    %1 = cast(%w) {to = f32} : f32[32, 4, 1, 1]
    %2 = conv(%0, %1) {groups = 8} : f32[1, 32, 6, 6]

For processors that multiply bf16 in matrix registers, which such groups leave empty, and on vectors
at half the rate of f32.
"""

from __future__ import annotations

from dataclasses import replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.types import DType
from ncc.passes import graph_pass

FEW = 4
"""Channels of a group up to which matrix registers are no gain."""


@graph_pass
def widen_groups(graph: Graph) -> Graph:
    """`graph` with such convolutions in f32; those of one channel are no products."""
    return graph.rebuild(_visit)


def _visit(build: Builder, node: Node) -> Value | None:
    op = node.op
    if not isinstance(op, Conv) or op.groups == 1:
        return None
    x, filters = node.operands
    if x.tensor.dtype is not DType.bf16 or not 1 < filters.tensor.dims[1] <= FEW:
        return None
    wide = (build(Cast(DType.f32), value) for value in (x, filters))
    product = build(replace(op, result=None), *wide)
    narrow = node.result.tensor.dtype
    return product if narrow is DType.f32 else build(Cast(narrow), product)
