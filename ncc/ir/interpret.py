"""Run a graph with numpy: the reference for every backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ncc.diagnostics import NccError
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.types import TensorType, Type

EVALUATION = "evaluation"
"""The phase that errors of an op's own evaluation name."""


def interpret(
    graph: Graph,
    inputs: Sequence[Any],
    *,
    observe: Callable[[Node, tuple[Any, ...]], None] | None = None,
) -> list[Any]:
    """The outputs of `graph` for `inputs`, one array per graph input.

    Each value is dropped after its last reader. `observe` sees every node with its results.
    """
    known: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    last = _last_readers(graph)
    for node in graph.nodes:
        results = evaluate(node, tuple(known[value] for value in node.operands))
        if observe:
            observe(node, results)
        known.update(zip(node.results, results, strict=True))
        for value in (*node.operands, *node.results):
            if last.get(value, node) is node:
                known.pop(value, None)
    return [known[value] for value in graph.outputs]


def evaluate(node: Node, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The results of one node."""
    try:
        results = _results(node, operands)
    except NccError as error:
        raise error.located(locs=node.locs, during=EVALUATION) from None
    return results if isinstance(results, tuple) else (results,)


def _results(node: Node, operands: tuple[Any, ...]) -> Any:
    """What the op gives; NccError where numpy refuses sizes that were open until now."""
    try:
        return node.op.eval(*operands)
    except (ValueError, IndexError):
        node.op.infer(*map(_with_sizes, node.operands, operands))
        raise


def _with_sizes(value: Value, held: Any) -> Type:
    """The type of `value` with the sizes of what it holds."""
    return value.type.with_shape(held.shape) if isinstance(value.type, TensorType) else value.type


def _last_readers(graph: Graph) -> dict[Value, Node | None]:
    """The node after which each value is dead; None for outputs, which stay."""
    last: dict[Value, Node | None] = {}
    for node in graph.nodes:
        for operand in node.operands:
            last[operand] = node
    last.update(dict.fromkeys(graph.outputs))
    return last
