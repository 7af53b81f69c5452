"""Multiply in a narrow type: round the operands of products, or store every tensor rounded.

    %0 = matmul(%x, %w) : f32[8, 2]
becomes, with mode = matmult and to = bf16
    %0 = cast(%x) {to = bf16} : bf16[8, 4]
    %1 = cast(%w) {to = bf16} : bf16[4, 2]
    %2 = matmul(%0, %1) {result = f32} : f32[8, 2]

Filters of one channel each keep their digits: no narrow product computes their few terms. Shortcuts
around products are rounded too, see `round_shortcuts`. With mode = all every f32 tensor is bf16 but
the inputs and outputs of the graph, and statistics (see `rounded`). Arithmetic inside an op is f32
in either mode; an einsum and a scan count as the products that they are made of. The casts say all
of it: the interpreter on the result is the reference for every backend.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from enum import Enum

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.einsum import Einsum
from ncc.ir.ops.scan import Scan
from ncc.ir.types import DType
from ncc.passes import graph_pass
from ncc.passes.decompose import decompose
from ncc.passes.round_shortcuts import round_shortcuts
from ncc.passes.rounded import PRODUCTS, Keep, is_f32, rounded

OF_PRODUCTS = (Einsum, Scan)
"""Ops that are made of products, whose operands are rounded."""


class Mode(Enum):
    """What is rounded."""

    none = "none"
    """Nothing: as the model says."""
    matmult = "matmult"
    """The operands of products."""
    all = "all"
    """Every f32 tensor."""


@graph_pass
def autocast(
    graph: Graph,
    *,
    mode: Mode = Mode.matmult,
    to: DType = DType.bf16,
    keep_fp32: str = "",
    spare: Callable[[Graph], frozenset[Node]] = lambda graph: frozenset(),
) -> Graph:
    """`graph` with explicit casts to `to`.

    Nodes that come from a node of the model whose name has a match of the expression `keep_fp32`
    work on f32, and with matmult those that `spare` gives. The filters of a depthwise convolution
    are not rounded with matmult: it has no sums that dot products could make.
    """
    keep = _kept(keep_fp32)
    if mode is Mode.none:
        return graph
    graph = decompose(graph, takes=lambda node: not isinstance(node.op, OF_PRODUCTS))
    if mode is Mode.matmult:
        return round_shortcuts(_round_products(graph, to, keep, spare(graph)), to=to, keep=keep)
    return rounded(graph, to, keep)


def _kept(expression: str) -> Keep:
    """Whether a node stays as it is."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        message = f"'{expression}' is not a regular expression: {error}"
        raise NccError("bad-regex", message, exit=ExitCode.USAGE) from None
    return lambda node: bool(expression) and any(pattern.search(loc.node) for loc in node.locs)


def _round_products(graph: Graph, to: DType, keep: Keep, spared: frozenset[Node]) -> Graph:
    def visit(build: Builder, node: Node, original: Node) -> Value | None:
        op = node.op
        if not isinstance(op, PRODUCTS) or original in spared or keep(node):
            return None
        if any(not is_f32(value.type) for value in (*node.operands, node.result)):
            return None
        return build(dataclasses.replace(op, result=DType.f32), *_rounded_operands(build, node, to))

    return graph.rebuild_beside(visit)


def _rounded_operands(build: Builder, node: Node, to: DType) -> list[Value]:
    x, w = node.operands
    if isinstance(node.op, Conv) and node.op.is_depthwise(w.tensor):
        return [build(Cast(to), x), w]
    return [build(Cast(to), x), build(Cast(to), w)]
