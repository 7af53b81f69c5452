"""Compute a model of f16 tensors in f32, for targets without f16 arithmetic.

    graph @g(%x: f16[8]) { %0 = relu(%x)  %1 = exp(%0)  return %1 }
becomes
    %0 = cast(%x) {to = f32} : f32[8]
    %1 = relu(%0) : f32[8]
    %2 = exp(%1) : f32[8]
    %3 = cast(%2) {to = f16} : f16[8]

Inputs and weights are widened exactly; results are rounded where the model casts to f16 and at its
outputs, and nowhere in between. This is what CPU runtimes do with such models. A cast that comes
from the same node of the model as its operand only ends that node's arithmetic: it goes.
"""

from __future__ import annotations

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.weight import Weight
from ncc.ir.types import DType, TensorType
from ncc.passes import graph_pass


@graph_pass
def widen_f16(graph: Graph) -> Graph:
    """`graph` with f32 for every f16 tensor inside; the same graph if there is none."""
    values = [*graph.inputs, *(value for node in graph.nodes for value in node.results)]
    if not any(_is_half(value) for value in values):
        return graph
    build = Builder()
    mapped = {value: _widened(build, value) for value in graph.inputs}
    for node in graph.nodes:
        _copy(build, node, mapped)
    outputs = [_narrowed(build, mapped[value], value) for value in graph.outputs]
    return Graph(graph.name, graph.inputs, build.nodes, outputs, graph.output_names)


def _copy(build: Builder, node: Node, mapped: dict[Value, Value]) -> None:
    """Append `node` on widened operands; its op infers the wider types."""
    build.locs = node.locs
    if isinstance(node.op, Constant | Weight):
        build.append(node)
        mapped[node.result] = _widened(build, node.result)
        return
    if _ends_a_source_node(node):
        mapped[node.result] = mapped[node.operands[0]]
        return
    made = build.node(node.op, *(mapped[value] for value in node.operands))
    for old, new in zip(node.results, made.results, strict=True):
        mapped[old] = _widened(build, new)


def _ends_a_source_node(node: Node) -> bool:
    """Whether a node rounds to f16 what the same node of the model computed in f32."""
    if not isinstance(node.op, Cast) or node.op.to is not DType.f16 or not node.locs:
        return False
    (value,) = node.operands
    if value.node is None or isinstance(value.op, Cast):
        return False
    return value.node.locs == node.locs and value.tensor.dtype is DType.f32


def _is_half(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype is DType.f16


def _widened(build: Builder, value: Value) -> Value:
    return build(Cast(DType.f32), value) if _is_half(value) else value


def _narrowed(build: Builder, value: Value, like: Value) -> Value:
    return build(Cast(DType.f16), value) if _is_half(like) and not _is_half(value) else value
