"""Store a value rounded when all of its readers round it: the same numbers, half the traffic.

    %0 = add(%x, %y) : f32[2, 8]
    %1 = transpose(%0) {perm = [1, 0]} : f32[8, 2]
    %2 = cast(%1) {to = bf16} : bf16[8, 2]
becomes
    %0 = add(%x, %y) : f32[2, 8]
    %1 = cast(%0) {to = bf16} : bf16[2, 8]
    %2 = transpose(%1) {perm = [1, 0]} : bf16[8, 2]

The cast then stands beside the op that computes the value, and becomes part of its kernel; a
product takes it in as its `result`.
"""

from __future__ import annotations

import dataclasses

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast, holds
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.matmul import MatMul
from ncc.ir.rewrite import P, Skip, Trace, V, rewrite, rule
from ncc.ir.types import DType
from ncc.passes import graph_pass
from ncc.passes.movement import MOVES, carried


@graph_pass
def narrow_storage(graph: Graph, *, trace: Trace | None = None) -> Graph:
    """`graph` with casts to narrower floats as early as every reader allows."""
    wanted = _wanted(graph)
    early = _early(graph, wanted)
    moved = _Mover(graph, wanted, early).graph() if early else graph
    return rewrite(moved, [rounded_product], trace=trace)


@rule(
    P(
        Cast,
        P((Conv, ConvTranspose, MatMul), V("a"), V("b"), node="product", once=True),
        bind="cast",
    )
)
def rounded_product(build: Builder, cast: Cast, product: Node, a: Value, b: Value) -> Value | Skip:
    """cast(product) -> product {result = the type of the cast}, which rounds the same sums once."""
    op = product.op
    assert isinstance(op, Conv | ConvTranspose | MatMul)
    summed = product.result.tensor.dtype
    if summed is not a.tensor.dtype.compute or not _narrows(cast, summed):
        return Skip(f"sums in {summed.value} are not rounded once to {cast.to.value}")
    result = None if cast.to is a.tensor.dtype else cast.to
    return build(dataclasses.replace(op, result=result), a, b)


def _narrows(cast: Cast, source: DType) -> bool:
    """Whether a cast rounds floats to a smaller type."""
    return source.is_float and cast.to.is_float and holds(source, cast.to) and cast.to is not source


def _wanted(graph: Graph) -> dict[Value, DType | None]:
    """For each value that is read, the one type that every reader rounds it to, or None."""
    wanted: dict[Value, DType | None] = dict.fromkeys(graph.outputs)
    for node in reversed(graph.nodes):
        asked = _asked(node, wanted)
        for value in node.operands:
            known = wanted.setdefault(value, asked.get(value))
            if known is not asked.get(value):
                wanted[value] = None
    return wanted


def _asked(node: Node, wanted: dict[Value, DType | None]) -> dict[Value, DType]:
    """What `node` rounds its operands to."""
    op = node.op
    if isinstance(op, Cast):
        source = node.operands[0]
        return {source: op.to} if _narrows(op, source.tensor.dtype) else {}
    dtype = wanted.get(node.results[0]) if len(node.results) == 1 else None
    if dtype is None:
        return {}
    return dict.fromkeys(carried(node, dtype), dtype)


def _early(graph: Graph, wanted: dict[Value, DType | None]) -> set[Value]:
    """Values made in the wanted type: what moves, and what selects from such values."""
    found: set[Value] = set()
    for node in graph.nodes:
        dtype = wanted.get(node.results[0])
        if dtype is None or len(node.results) != 1:
            continue
        moved = carried(node, dtype)
        if moved and (type(node.op) in MOVES or not found.isdisjoint(moved)):
            found.add(node.result)
    return found


class _Mover:
    """Rebuilds a graph with the early values in their wanted types."""

    def __init__(self, graph: Graph, wanted: dict[Value, DType | None], early: set[Value]) -> None:
        self.original = graph
        self.wanted = wanted
        self.early = early
        self.build = Builder()
        self.mapped: dict[Value, Value] = {}
        self.rounded: dict[tuple[Value, DType], Value] = {}

    def graph(self) -> Graph:
        graph = self.original
        for node in graph.nodes:
            self.build.locs = node.locs
            if node.results[0] in self.early:
                self.move(node)
            elif isinstance(node.op, Cast) and self.wanted[node.operands[0]] is node.op.to:
                self.mapped[node.result] = self.narrow(node.operands[0], node.op.to)
            else:
                self.keep(node)
        outputs = [self.mapped.get(value, value) for value in graph.outputs]
        return Graph(graph.name, graph.inputs, self.build.nodes, outputs, graph.output_names)

    def keep(self, node: Node) -> None:
        operands = [self.mapped.get(value, value) for value in node.operands]
        same = all(new is old for new, old in zip(operands, node.operands, strict=True))
        made = self.build.append(node) if same else self.build.node(node.op, *operands)
        self.mapped.update(zip(node.results, made.results, strict=True))

    def move(self, node: Node) -> None:
        """`node` on rounded operands; its wide result has no readers left."""
        dtype = self.wanted[node.result]
        assert dtype is not None
        moved = set(carried(node, dtype))
        operands = [
            self.narrow(value, dtype) if value in moved else self.mapped.get(value, value)
            for value in node.operands
        ]
        self.rounded[node.result, dtype] = self.build(node.op, *operands)

    def narrow(self, value: Value, dtype: DType) -> Value:
        """`value` rounded to `dtype`, once."""
        if (value, dtype) not in self.rounded:
            self.rounded[value, dtype] = self.build(Cast(dtype), self.mapped.get(value, value))
        return self.rounded[value, dtype]
