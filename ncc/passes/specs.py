"""What may exist after each phase, for `verify` to check.

A phase that relies on what another has done says so by a spec, not by its place in a list.
"""

from __future__ import annotations

from collections.abc import Callable

from ncc.ir.graph import Node
from ncc.ir.types import DType, TensorType, dim_symbols
from ncc.ir.verify import Spec
from ncc.passes.rounded import PRODUCTS, is_f32

Reason = str | None


def _bound(node: Node) -> Reason:
    for value in (*node.operands, *node.results):
        if isinstance(value.type, TensorType) and any(map(dim_symbols, value.type.shape)):
            return f"{value.type} has an unbound symbol"
    return None


def _static(node: Node) -> Reason:
    for value in (*node.operands, *node.results):
        if not isinstance(value.type, TensorType) or not value.type.is_static:
            return f"{value.type} has no size before it runs"
    return None


BOUND = Spec("import", _bound)
"""After import: every symbol is a number. A size that the data decides may be open."""


def precise(to: DType, kept: Callable[[Node], bool]) -> Spec:
    """After precision: no product works on f32, unless `kept` names it."""

    def rounded(node: Node) -> Reason:
        wide = isinstance(node.op, PRODUCTS) and is_f32(node.operands[0].type)
        allowed = not wide or kept(node)
        return None if allowed else f"multiplies {node.operands[0].type}, not {to.value}"

    return Spec("precision", lambda node: _bound(node) or rounded(node))


def on_device(refusal: Callable[[Node], Reason]) -> Spec:
    """In a part that runs on the device: sizes are numbers, and the backend takes every node."""
    return Spec("place", lambda node: _static(node) or refusal(node))
