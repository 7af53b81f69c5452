"""Values that a row keeps between its sweeps: what several need and is dear to compute again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ncc.backends.cpu.kernels.evaluate import MATH
from ncc.backends.cpu.loopir.loops import Apply, Expr, Local
from ncc.backends.cpu.loopir.uses import postorder
from ncc.backends.cpu.vecmath import FORMULAS
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.op import Elementwise

DEAR = frozenset({*FORMULAS, "div", "sqrt"})
"""Functions whose values are kept rather than computed again."""


def dear_and_shared(
    body: Graph, reduces: Sequence[Node], rows: frozenset[Value]
) -> Iterator[Value]:
    """Values that more than one sweep needs and that cost more than a load to compute."""
    roots = [[node.operands[0]] for node in reduces] + [list(body.outputs)]
    sweeps: dict[Value, int] = {}
    for values in roots:
        for value in _ancestors(values, rows):
            sweeps[value] = sweeps.get(value, 0) + 1
    for node in body.nodes:
        if sweeps.get(node.results[0], 0) > 1 and _is_dear(node):
            yield node.result


def _is_dear(node: Node) -> bool:
    """Whether an element costs more to compute than to load."""
    if not isinstance(node.op, Elementwise):
        return False
    operands = [Local("x", value.tensor.dtype.compute) for value in node.operands]
    found = node.op.scalar(MATH, *operands)
    formula = postorder([found] if isinstance(found, Expr) else [])
    return any(isinstance(part, Apply) and part.fn in DEAR for part in formula)


def _ancestors(values: Sequence[Value], rows: frozenset[Value]) -> set[Value]:
    """What a sweep evaluates to reach `values`: everything that is not constant in the row."""
    found: set[Value] = set()
    stack = [value for value in values if value not in rows]
    while stack:
        value = stack.pop()
        if value in found:
            continue
        found.add(value)
        operands = value.node.operands if value.node else ()
        stack += [operand for operand in operands if operand not in rows]
    return found
