"""How many bytes of weights a kernel can read again unnoticed, for `passes.split_batch`."""

from __future__ import annotations

from ncc.backends.cpu.plan.layout import root_of
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import product_width
from ncc.ir.graph import Node

VECTOR, MATRIX = 350, 2_500
"""Operations in the time that a byte of weights takes to arrive, when that may cost 3 % of it.

Dot products do so many more as they take elements in a lane.
"""


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
    width = product_width(root.operands[0].tensor.dtype, target)
    is_matrix = target.has_matrix_registers and width > 1
    return width * (MATRIX if is_matrix else VECTOR)
