"""Elementwise kernels over the axes that an operand had before a reshape joined them.

    %1 = reshape(%0) {shape = [4, 6]} : f32[4, 6]        %0 : f32[4, 3, 2], transposed in memory
    %2 = add(%1, %y) : f32[4, 6]

needs no copy of %0 when the sum runs over [4, 3, 2]: splitting the axes of %y and %2 moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.storage.views import View
from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.fused import Fused
from ncc.ir.types import TensorType


def is_elementwise(body: Graph) -> bool:
    """Whether every result of a body is computed elementwise over one shape."""
    shapes = {value.tensor.dims for value in body.outputs}
    return len(shapes) == 1 and all(
        isinstance(node.op, Elementwise | Constant) for node in body.nodes
    )


def refined(view: View, domain: Sequence[int], dims: Sequence[int]) -> View | None:
    """`view`, spread over `domain`, with the axes `dims`; None if that takes a copy."""
    missing = [1] * (len(domain) - len(view.shape))
    spread = view.broadcast([*missing, *view.shape]).broadcast(domain)
    return spread.reshaped(dims)


def refined_body(body: Graph, dims: tuple[int, ...]) -> Graph:
    """The elementwise `body` on operands of the shape `dims` each."""
    build = Builder()
    inputs = [Value(TensorType(value.tensor.dtype, dims)) for value in body.inputs]
    mapped = dict(zip(body.inputs, inputs, strict=True))
    for node in body.nodes:
        made = build.node(node.op, *(mapped[value] for value in node.operands), locs=node.locs)
        mapped.update(zip(node.results, made.results, strict=True))
    return Graph(body.name, inputs, build.nodes, [mapped[value] for value in body.outputs])


def may_refine(graph: Graph, value: Value) -> bool:
    """Whether all readers of `value` are kernels that may run over the axes of its source."""
    readers = graph.uses.get(value, ())
    return value not in graph.outputs and all(
        isinstance(reader.op, Fused)
        and is_elementwise(reader.op.body)
        and reader.results[0].tensor.dims == value.tensor.dims
        for reader in readers
    )
