"""Products that are no work for panels: of few rows with computed matrices, as a step of a decoder
makes with its cache, and with a single column; and those of few rows with integers in blocks.

Elements of such a matrix are read for a row or two, so that reading them is all that takes time: to
round them, or to put them in panels first, costs as much again.
"""

from __future__ import annotations

import math

from ncc.ir.blocks import blocks_of
from ncc.ir.graph import Builder, Node
from ncc.ir.ops.matmul import MatMul

FEW = 4
"""Rows up to which panels do not pay."""
FEW_OF_BLOCKS = 6
"""Rows up to which reading a few bits and multiplying f32 takes less than reading bf16."""


def has_one_column(node: Node) -> bool:
    """Whether a node multiplies matrices by a column each: panels would be empty but for that."""
    floats = all(value.tensor.dtype.is_float for value in node.operands)
    return isinstance(node.op, MatMul) and floats and node.result.tensor.shape[-1] == 1


def has_few_rows(node: Node) -> bool:
    """Whether a node multiplies at most `FEW` rows by each matrix of a computed right operand."""
    if not isinstance(node.op, MatMul) or node.operands[1].is_constant:
        return False
    right, result = node.operands[1].tensor, node.result.tensor
    if not right.is_static or not result.is_static:
        return False
    rows = math.prod(result.dims[:-1])
    return 0 < rows <= FEW * math.prod(right.dims[:-2])


def has_few_rows_of_blocks(node: Node) -> bool:
    """Whether a node multiplies few rows by integers in blocks, which are read as such.

    Nothing is gained from rounded rows.
    """
    if not isinstance(node.op, MatMul) or not node.result.tensor.is_static:
        return False
    rows = math.prod(node.result.tensor.dims[:-1])
    return 0 < rows <= FEW_OF_BLOCKS and blocks_of(Builder(), node.operands[1]) is not None
