"""A graph whose f32 tensors are stored in a narrow type.

Sums and what is computed from sums alone stay f32, as does what is only summed: the mean and the
variance of a normalisation, the denominator of a softmax. An op that reads one of them works on
f32 and rounds its result; a product takes it rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ncc.diagnostics import NccError
from ncc.ir.fold import is_literal
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import ReduceMean, ReduceProd, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.weight import Weight
from ncc.ir.types import DType, TensorType, Type

Keep = Callable[[Node], bool]
PRODUCTS = (Conv, ConvTranspose, MatMul)
SUMS = (ReduceMean, ReduceProd, ReduceSum)
CARRIERS = (BroadcastTo, Elementwise, Reshape, Transpose)


def is_f32(type: Type) -> bool:
    """Whether a type is a tensor of f32."""
    return isinstance(type, TensorType) and type.dtype is DType.f32


def rounded(graph: Graph, to: DType, keep: Keep) -> Graph:
    """`graph` with its f32 tensors in `to`; nodes that `keep` names work on f32."""
    return _Rounded(graph, to, keep).graph()


def statistics(graph: Graph) -> set[Value]:
    """The f32 values that stay f32: sums, what comes from them alone, what is only summed."""
    found: set[Value] = set()
    for node in graph.nodes:
        wide = [value for value in node.operands if is_f32(value.type) and not is_literal(value)]
        carried = isinstance(node.op, CARRIERS) and wide and found.issuperset(wide)
        if isinstance(node.op, SUMS) or carried:
            found.update(value for value in node.results if is_f32(value.type))
    return found | _only_summed(graph)


def _only_summed(graph: Graph) -> set[Value]:
    """Results of elementwise ops that nothing but sums, or such ops, reads."""
    found: set[Value] = set()
    read: set[Value] = set(graph.outputs)
    for node in reversed(graph.nodes):
        single = isinstance(node.op, Elementwise) and is_f32(node.result.type)
        if single and node.result not in read:
            found.add(node.result)
        elif not isinstance(node.op, SUMS):
            read.update(node.operands)
    return found


class _Rounded:
    """The values made so far, for those of the original."""

    def __init__(self, graph: Graph, to: DType, keep: Keep) -> None:
        self.original = graph
        self.to = to
        self.keep = keep
        self.statistics = statistics(graph)
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
        if not self.is_wide(node):
            try:
                made = self.build.make(node.op, self.narrow(node.operands), node.locs)
            except NccError:
                pass  # the op has no narrow form
            else:
                return self.build.append(made)
        return self.build.node(node.op, *(self.wide(value) for value in node.operands))

    def is_wide(self, node: Node) -> bool:
        """Whether `node` works on f32."""
        if node.op.host_only or self.keep(node):
            return True
        exact = not self.statistics.isdisjoint((*node.operands, *node.results))
        return exact and not isinstance(node.op, PRODUCTS)

    def store(self, original: Value, made: Value) -> None:
        """Remember `made` for `original`, rounded unless it stays f32.

        Constants are rounded where they are read narrow.
        """
        exact = original in self.statistics or isinstance(original.op, Constant | Weight)
        rounds = is_f32(made.type) and not exact
        self.stored[original] = self.build(Cast(self.to), made) if rounds else made

    def narrow(self, values: Sequence[Value]) -> list[Value]:
        return [
            self.build(Cast(self.to), stored) if is_f32(stored.type) else stored
            for stored in (self.stored[value] for value in values)
        ]

    def wide(self, value: Value) -> Value:
        """`value` in the type that the original graph gives it."""
        stored = self.stored[value]
        return stored if stored.type == value.type else self.build(Cast(DType.f32), stored)
