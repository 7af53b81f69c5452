"""Nodes that are a kernel of their own, and the calls that compute them."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.scanning import scan
from ncc.backends.cpu.kernels.selecting import select
from ncc.backends.cpu.kernels.suppressing import suppress
from ncc.backends.cpu.storage.views import View
from ncc.ir.graph import Node
from ncc.ir.ops.cumulative import Cumulative
from ncc.ir.ops.non_max_suppression import KeptBoxes
from ncc.ir.ops.topk import TopK


def lone_calls(node: Node, operands: Sequence[View], results: Sequence[View]) -> tuple[Call, ...]:
    """The calls that compute `node`: none where it has no elements."""
    op = node.op
    if not any(view.size for view in results):
        return ()
    if isinstance(op, TopK):
        return (select(op, operands[0], results[0], results[1], node.locs),)
    if isinstance(op, KeptBoxes):
        return suppress(op, operands, results, node.locs)
    assert isinstance(op, Cumulative), f"{op.name} has no kernel of its own"
    return (scan(op, operands[0], results[0], node.locs, node.flops),)
