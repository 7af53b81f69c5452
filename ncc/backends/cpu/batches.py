"""How many bytes of weights a kernel can read again unnoticed, for `passes.split_batch`."""

from __future__ import annotations

from ncc.backends.cpu.layout import root_of
from ncc.backends.cpu.target import Target
from ncc.ir.graph import Node
from ncc.ir.types import DType

F32, DOT, MATRIX = 350, 700, 5_000
"""Operations in the time that a byte of weights takes to arrive, when that may cost 3 % of it."""


def weights_hidden(node: Node, target: Target) -> int:
    """Bytes of weights that arrive while the product of `node`, if it has one, is computed."""
    root = root_of(node)
    if root is None:
        return 0
    flops = node.op.flops(
        tuple(value.tensor for value in node.operands),
        tuple(value.tensor for value in node.results),
    )
    return flops // _rate(root, target)


def _rate(root: Node, target: Target) -> int:
    if root.operands[0].tensor.dtype is not DType.bf16:
        return F32
    if target.has_matrix_registers:
        return MATRIX
    return DOT if target.has_bf16_dot else F32
