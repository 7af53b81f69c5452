"""What this backend takes, and how each op is computed."""

from __future__ import annotations

import math

from ncc.backends.cpu.kernels.depthwise import is_depthwise
from ncc.ir.graph import Node
from ncc.ir.op import Elementwise, Op
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.cumulative import Cumulative
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.matmul import BYTES, MatMul
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.non_max_suppression import KeptBoxes
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import Reduce, ReduceMean
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.scatter import ScatterElements, ScatterND
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.topk import TopK
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType, TensorType
from ncc.passes.groups import Pattern

VIEWS: tuple[type[Op], ...] = (Transpose, Reshape, Slice, BroadcastTo)
PLACEMENTS: tuple[type[Op], ...] = (Concat, Pad, ScatterElements, ScatterND)
ALONE: tuple[type[Op], ...] = (Cumulative, KeptBoxes, TopK)

ELEMENTS = {
    DType.f64,
    DType.f32,
    DType.f16,
    DType.bf16,
    DType.bool,
    *(dtype for dtype in DType if dtype.is_int and dtype not in {DType.i4, DType.u4}),
}
"""Element types that generated code loads and stores."""

FACTORS = {DType.f64, DType.f32, DType.f16, DType.bf16}
"""Element types of products; those of f16 are made of f32 by `legalize`."""


_PATTERNS: tuple[tuple[type[Op] | tuple[type[Op], ...], Pattern], ...] = (
    (VIEWS, Pattern.view),
    (PLACEMENTS, Pattern.placement),
    (ALONE, Pattern.alone),
    (Elementwise, Pattern.pointwise),
    (ReduceMean, Pattern.opaque),
    (Reduce, Pattern.reduction),
    ((MaxPool, AveragePool), Pattern.window),
    ((MatMul, Conv), Pattern.contraction),
    (Gather, Pattern.indexed),
)
"""The first that fits counts."""


def pattern(op: type[Op]) -> Pattern:
    """How the backend computes an op of operands that it takes; `opaque` if it does not."""
    return next((found for ops, found in _PATTERNS if issubclass(op, ops)), Pattern.opaque)


def classify(node: Node) -> Pattern:
    """How the backend computes a node."""
    return Pattern.window if is_depthwise(node) else pattern(type(node.op))


def refusal(node: Node) -> str | None:
    """Why the backend does not take a node; None when it does."""
    types = [value.type for value in (*node.operands, *node.results)]
    for type in types:
        if not isinstance(type, TensorType) or not type.is_static:
            return f"{type} has no fixed size"
        if type.dtype not in ELEMENTS:
            return f"no instructions for {type.dtype.value}"
    found = classify(node)
    if found is Pattern.opaque:
        return f"no kernel for {node.op.name}"
    if isinstance(node.op, MatMul | Conv):
        return _product_refusal(node)
    if isinstance(node.op, ScatterElements | ScatterND):
        x, indices, _ = (value.tensor for value in node.operands)
        return "a few updates are choices" if node.op.makes_few(x, indices) else None
    return _lone_refusal(node) if found is Pattern.alone else None


def _lone_refusal(node: Node) -> str | None:
    operands = [value.tensor for value in node.operands]
    if isinstance(node.op, KeptBoxes) and any(x.dtype is not DType.f32 for x in operands):
        return "boxes that are not f32"
    if isinstance(node.op, TopK) and node.op.finds_few(operands[0]):
        return "a few elements are found by comparing"
    return None


def _product_refusal(node: Node) -> str | None:
    left, right = (value.tensor for value in node.operands)
    if is_depthwise(node):
        return None if left.dtype in FACTORS else f"no filters over {left.dtype.value}"
    if (left.dtype, right.dtype) == BYTES:
        if not node.operands[1].is_constant:
            return "no computed right operand of i8"
    elif left.dtype not in FACTORS:
        return f"no product of {left.dtype.value}"
    elif right.dtype is not left.dtype:
        return f"no product of {left.dtype.value} and {right.dtype.value}"
    summed = left.dims[-1] if isinstance(node.op, MatMul) else math.prod(right.dims[1:])
    return None if summed else "a sum of nothing"


def ungrouped(node: Node) -> str | None:
    """Why a node cannot be lowered as it stands; None for kernels and for what moves nothing."""
    if isinstance(node.op, (Fused, *VIEWS, *PLACEMENTS, *ALONE)):
        return None
    return f"{node.op.name} is not in a kernel"
