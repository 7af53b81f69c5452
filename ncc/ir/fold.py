"""Values that depend on constants and weights alone, and their evaluation."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.interpret import evaluate, interpret
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
    if not value.is_constant:
        return None
    nodes = expression(value)
    if not all(_foldable(node, limit) for node in nodes):
        return None
    (array,) = interpret(Graph("constant", (), nodes, [value]), ())
    return np.asarray(array)


def expression(value: Value, known: Container[Value] = ()) -> list[Node]:
    """The nodes that make a constant of nothing but `known` constants, each after its operands."""
    found: dict[Node, None] = {}
    assert value.node is not None, "a constant depends on an input"
    stack = [value.node]
    while stack:
        parts = [operand.node for operand in stack[-1].operands if operand not in known]
        waiting = [part for part in parts if part is not None and part not in found]
        if waiting:
            stack += waiting
        else:
            found.setdefault(stack.pop())
    return list(found)


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

    Shape arithmetic of a model thus becomes literals while it is imported; quantized weights stay
    what they are, but for single numbers.
    """

    def __call__(self, op: Op, *operands: Value, locs: Locs | None = None) -> Value:
        made = self.make(op, operands, self.locs if locs is None else locs)
        folds = op.imported_folded or _is_number(made.result)
        (result,) = (fold_node(self, made) if folds else None) or self.append(made).results
        return result


def _is_number(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.is_static and value.tensor.size == 1
