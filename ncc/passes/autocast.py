"""Multiply in a narrow type: round the operands of products, or store every tensor rounded.

    %0 = matmul(%x, %w) : f32[8, 2]
becomes, with mode = matmult and to = bf16
    %0 = cast(%x) {to = bf16} : bf16[8, 4]
    %1 = cast(%w) {to = bf16} : bf16[4, 2]
    %2 = matmul(%0, %1) {result = f32} : f32[8, 2]

and with mode = all every f32 tensor but the inputs and outputs of the graph is bf16. Arithmetic
inside an op is f32 in either mode; an einsum counts as the products that it is made of. The casts say all of it: the interpreter on the result is the
reference for every backend.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from enum import Enum

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.einsum import Einsum
from ncc.ir.ops.matmul import MatMul
from ncc.ir.types import DType, TensorType, Type
from ncc.passes import graph_pass
from ncc.passes.decompose import decompose

Keep = Callable[[Node], bool]


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
    graph: Graph, *, mode: Mode = Mode.matmult, to: DType = DType.bf16, keep_fp32: str = ""
) -> Graph:
    """`graph` with explicit casts to `to`.

    Nodes that come from a node of the model whose name has a match of the expression `keep_fp32`
    work on f32.
    """
    keep = _kept(keep_fp32)
    if mode is Mode.none:
        return graph
    graph = decompose(graph, takes=lambda node: not isinstance(node.op, Einsum))
    if mode is Mode.matmult:
        return _round_products(graph, to, keep)
    return _Rounded(graph, to, keep).graph()


def _kept(expression: str) -> Keep:
    """Whether a node stays as it is."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        message = f"'{expression}' is not a regular expression: {error}"
        raise NccError("bad-regex", message, exit=ExitCode.USAGE) from None
    return lambda node: bool(expression) and any(pattern.search(loc.node) for loc in node.locs)


def _round_products(graph: Graph, to: DType, keep: Keep) -> Graph:
    def visit(build: Builder, node: Node) -> Value | None:
        op = node.op
        if not isinstance(op, Conv | ConvTranspose | MatMul) or keep(node):
            return None
        if any(not _is_f32(value.type) for value in (*node.operands, node.result)):
            return None
        narrow = [build(Cast(to), value) for value in node.operands]
        return build(dataclasses.replace(op, result=DType.f32), *narrow)

    return graph.rebuild(visit)


def _is_f32(type: Type) -> bool:
    return isinstance(type, TensorType) and type.dtype is DType.f32


class _Rounded:
    """A graph whose f32 tensors are stored in `to`."""

    def __init__(self, graph: Graph, to: DType, keep: Keep) -> None:
        self.original = graph
        self.to = to
        self.keep = keep
        self.build = Builder()
        self.stored: dict[Value, Value] = {}

    def graph(self) -> Graph:
        graph = self.original
        for value in graph.inputs:
            self.store(value, value)
        for node in graph.nodes:
            self.build.locs = node.locs
            for old, new in zip(node.results, self.node(node).results, strict=True):
                self.store(old, new)
        outputs = [self.wide(value) for value in graph.outputs]
        return Graph(graph.name, graph.inputs, self.build.nodes, outputs, graph.output_names)

    def node(self, node: Node) -> Node:
        """`node` on stored operands, or on f32 where it must or takes nothing else."""
        if not node.op.host_only and not self.keep(node):
            try:
                made = self.build.make(node.op, self.narrow(node.operands), node.locs)
            except NccError:
                pass  # the op has no narrow form
            else:
                return self.build.append(made)
        wide = [self.wide(value) for value in node.operands]
        return self.build.node(node.op, *wide)

    def store(self, original: Value, made: Value) -> None:
        """Remember `made` for `original`, rounded."""
        narrow = _is_f32(original.type) and _is_f32(made.type)
        self.stored[original] = self.build(Cast(self.to), made) if narrow else made

    def narrow(self, values: Sequence[Value]) -> list[Value]:
        return [self.stored[value] for value in values]

    def wide(self, value: Value) -> Value:
        """`value` in the type that the original graph gives it."""
        stored = self.stored[value]
        return stored if stored.type == value.type else self.build(Cast(DType.f32), stored)
