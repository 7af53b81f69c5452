"""Read a shortcut rounded where the sum that it joins is rounded too.

    %2 = add(%1, %x) : f32[8, 4]
becomes, where products read %x and %2 rounded to bf16
    %2 = cast(%x) {to = bf16} : bf16[8, 4]
    %3 = cast(%2) {to = f32} : f32[8, 4]
    %4 = add(%1, %3) : f32[8, 4]

A residual network otherwise stores each of its activations twice: rounded for the product that
reads it, and in f32 for the addition beside that product. The sum is rounded once more in any
case, so its error grows by no more than a half. So is that branch of two with products which is
computed first and only waits to be added. What is not rounded afterwards, such as the sums in
front of a normalisation, is added in f32 as before.
"""

from __future__ import annotations

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import MatMul
from ncc.ir.types import DType
from ncc.passes import graph_pass
from ncc.passes.rounded import Keep, is_f32


@graph_pass
def round_shortcuts(
    graph: Graph, *, to: DType = DType.bf16, keep: Keep = lambda node: False
) -> Graph:
    """`graph` with shortcuts rounded to `to`; additions that `keep` names stay as they are."""
    shortcuts = _Shortcuts(graph, to, keep)

    def visit(build: Builder, node: Node, original: Node) -> Value | None:
        rounded = shortcuts.of(original)
        if not any(rounded):
            return None
        return build(
            node.op,
            *(
                build(Cast(value.tensor.dtype), build(Cast(to), value)) if rounds else value
                for value, rounds in zip(node.operands, rounded, strict=True)
            ),
        )

    return graph.rebuild_beside(visit)


class _Shortcuts:
    """Which operands of additions are shortcuts to round."""

    def __init__(self, graph: Graph, to: DType, keep: Keep) -> None:
        self.to = to
        self.readers: dict[Value, list[Node]] = {}
        self.position = {node: index for index, node in enumerate(graph.nodes)}
        for node in graph.nodes:
            for value in node.operands:
                self.readers.setdefault(value, []).append(node)
        self.outputs = frozenset(graph.outputs)
        self.rounded_sums: set[Node] = set()
        for node in reversed(graph.nodes):
            if self._is_sum(node) and not keep(node) and self._is_rounded(node.result):
                self.rounded_sums.add(node)

    def of(self, node: Node) -> tuple[bool, ...]:
        """For each operand of `node`, whether it is rounded."""
        if node not in self.rounded_sums:
            return (False,) * len(node.operands)
        waiting = self._waiting(node)
        return tuple(value is waiting or self._is_shared(value) for value in node.operands)

    def _is_sum(self, node: Node) -> bool:
        """Whether a node adds two f32 tensors of one shape."""
        types = {value.type for value in (*node.operands, *node.results)}
        return isinstance(node.op, Add) and len(types) == 1 and is_f32(node.result.type)

    def _rounds(self, node: Node) -> bool:
        return isinstance(node.op, Cast) and node.op.to is self.to

    def _is_rounded(self, value: Value) -> bool:
        """Whether a product reads `value` rounded, or what an activation makes of it."""
        readers = self.readers.get(value, [])
        while len(readers) == 1 and isinstance(readers[0].op, Elementwise):
            (reader,) = readers
            if self._rounds(reader) or len(reader.operands) > 1:
                break
            readers = self.readers.get(reader.result, [])
        return any(map(self._rounds, readers))

    def _is_shared(self, value: Value) -> bool:
        """Whether `value` is stored rounded anyway, and only additions read it in f32."""
        readers = self.readers[value]
        wide = [reader for reader in readers if not self._rounds(reader)]
        return (
            len(wide) < len(readers)
            and value not in self.outputs
            and self.rounded_sums.issuperset(wide)
        )

    def _waiting(self, node: Node) -> Value | None:
        """The operand of a sum of two branches that is computed first, if both end in products."""
        products = [self._product(value) for value in node.operands]
        found = [position for position in products if position is not None]
        if len(set(found)) < len(products):
            return None
        return node.operands[products.index(min(found))]

    def _product(self, value: Value) -> int | None:
        """The position of the product that `value` is, with a bias and the like."""
        while value.node is not None and len(self.readers[value]) == 1:
            if isinstance(value.op, Conv | MatMul):
                return self.position[value.node]
            inputs = [operand for operand in value.node.operands if not operand.is_constant]
            if not isinstance(value.op, Elementwise) or len(inputs) != 1:
                return None
            (value,) = inputs
        return None
