"""Values that depend on constants and weights alone, and their evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.interpret import evaluate
from ncc.ir.literal import INLINE_LIMIT, Literal
from ncc.ir.op import Op
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.weight import Weight
from ncc.ir.types import TensorType

EVALUATION_LIMIT = 1 << 20
"""Constant expressions whose parts are at most this many bytes may be evaluated at compile time."""


def is_literal(value: Value) -> bool:
    """Whether `value` is a tensor in the IR."""
    return isinstance(value.op, Constant)


def literal(value: Value) -> npt.NDArray[Any] | None:
    """The elements of a `constant`, else None."""
    return value.op.value.array if isinstance(value.op, Constant) else None


def number(value: Value) -> float | int | bool | None:
    """The only element of a `constant` of one element; None for any other value."""
    elements = literal(value)
    return elements.item() if elements is not None and elements.size == 1 else None


def constant_array(value: Value, limit: int | None = EVALUATION_LIMIT) -> npt.NDArray[Any] | None:
    """The elements of an expression over constants and weights; None if it is not one.

    Gives up (None) when a part of the expression has more than `limit` bytes; a limit of None
    never does.
    """
    known: dict[Value, Any] = {}
    stack = [value]
    while stack:
        top = stack[-1]
        if top in known:
            stack.pop()
            continue
        if top.node is None or not _foldable(top.node, limit):
            return None
        waiting = [operand for operand in top.node.operands if operand not in known]
        if waiting:
            stack += waiting
            continue
        results = evaluate(top.node, tuple(known[operand] for operand in top.node.operands))
        known.update(zip(top.node.results, results, strict=True))
    return np.asarray(known[value])


def _foldable(node: Node, limit: int | None) -> bool:
    types = [value.type for value in node.results]
    return node.op.pure and all(
        isinstance(type, TensorType) and type.is_static and (limit is None or type.nbytes <= limit)
        for type in types
    )


def fold_node(build: Builder, node: Node) -> tuple[Value, ...] | None:
    """Append literals in the place of a node over literals with small results; else None."""
    source = isinstance(node.op, Constant | Weight)
    if source or not _foldable(node, INLINE_LIMIT) or not all(map(is_literal, node.operands)):
        return None
    arrays = evaluate(node, tuple(literal(value) for value in node.operands))
    return tuple(
        build(Constant(_literal_of(array, value.tensor)), locs=node.locs)
        for array, value in zip(arrays, node.results, strict=True)
    )


def _literal_of(array: Any, type: TensorType) -> Literal:
    made = Literal.of(np.asarray(array))
    same = made.type.dtype.numpy == type.dtype.numpy and made.type.shape == type.shape
    assert same, f"an op that says {type} evaluates to {made.type}"
    return Literal(type, made.data)


class FoldingBuilder(Builder):
    """A builder that evaluates small expressions over literals as it appends.

    Shape arithmetic of a model thus becomes literals while it is imported.
    """

    def __call__(self, op: Op, *operands: Value, locs: Locs | None = None) -> Value:
        made = self.make(op, operands, self.locs if locs is None else locs)
        (result,) = fold_node(self, made) or self.append(made).results
        return result
