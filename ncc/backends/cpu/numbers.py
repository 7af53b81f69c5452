"""Which numbers stand in the code of kernels, and which are read from memory as weights are.

In the code a number costs nothing when it runs, but each one makes another kernel of what is
otherwise the same, and a kernel takes milliseconds to compile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ncc.ir.graph import Graph, Value
from ncc.ir.literal import Literal
from ncc.ir.ops.constant import Constant

MAX_HELD = 256
"""Different numbers that the code of one device segment holds."""


def numbers_held(graph: Graph) -> Callable[[Value], bool]:
    """Whether code holds a literal of one element: those that most operands of `graph` read."""
    readers = Counter(
        literal
        for node in graph.nodes
        for value in node.operands
        if (literal := _number(value)) is not None
    )
    held = {literal for literal, _ in readers.most_common(MAX_HELD)}
    return lambda value: _number(value) in held


def _number(value: Value) -> Literal | None:
    op = value.op
    return op.value if isinstance(op, Constant) and value.tensor.size == 1 else None
