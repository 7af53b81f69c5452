"""Find attention: two products with rows of weights between them, that can be one kernel.

    %0 = matmul(%q, %k) : f32[12, 128, 128]
    %1 = add(%0, %mask) : f32[12, 128, 128]
    %2 = reduce_max(%1) {axes = [2]} : f32[12, 128, 1]
    ...
    %7 = mul(%4, %6) : f32[12, 128, 128]
    %8 = matmul(%7, %v) : f32[12, 128, 64]

The scores, what is made of them and the weights, each as large as the product of both lengths,
are read by nobody else. A kernel of some rows at a time needs no more than those rows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ncc.ir.fold import is_literal
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.op import Elementwise
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import Reduce, ReduceMean

MOST_NODES = 48


@dataclass(frozen=True, slots=True)
class Attention:
    """The product that makes scores, the one that takes weights, and where they are cut.

    `cut` is all that the weights need of the scores: the operand of the first reduction.
    """

    scores: Node
    context: Node
    cut: Value

    @property
    def weights(self) -> Value:
        """The left operand of the second product."""
        return self.context.operands[0]


def attentions(graph: Graph, constant: set[Value]) -> Iterator[tuple[Attention, list[Node]]]:
    """Every attention of `graph` with its nodes in order; `constant` values are no operands."""
    position = {node: index for index, node in enumerate(graph.nodes)}
    for scores in graph.nodes:
        if not isinstance(scores.op, MatMul) or not _is_computed(scores, constant):
            continue
        found = followers(graph, scores, _by_row)
        if found is None or not _fits(scores, *found):
            continue
        nodes, context = sorted(found[0], key=position.__getitem__), found[1]
        first = next((node for node in nodes if isinstance(node.op, Reduce)), None)
        if first is None or not _is_computed(context, constant):
            continue
        attention = Attention(scores, context, first.operands[0])
        if not _passes_by(attention, nodes) and _keeps_batches(attention):
            yield attention, [scores, *nodes, context]


def attention_of(body: Graph) -> Attention | None:
    """The attention that a kernel computes; None for every other kernel."""
    products = [node for node in body.nodes if isinstance(node.op, MatMul)]
    if len(products) < 2:
        return None
    scores, context = products
    cut = next(node.operands[0] for node in body.nodes if isinstance(node.op, Reduce))
    return Attention(scores, context, cut)


def made_of_cut(attention: Attention, nodes: Sequence[Node]) -> list[Node]:
    """Those of `nodes`, in their order, that make weights of the cut."""
    needed = {attention.weights}
    found: list[Node] = []
    for node in reversed(nodes):
        if node.result in needed and node.result is not attention.cut:
            needed.update(node.operands)
            found.append(node)
    return found[::-1]


def _is_computed(product: Node, constant: set[Value]) -> bool:
    """Whether the right operand depends on the inputs, and the left one is no literal."""
    left, right = product.operands
    return right not in constant and not is_literal(left)


def followers(
    graph: Graph, scores: Node, follows: Callable[[Node, Value], bool]
) -> tuple[list[Node], Node] | None:
    """What is made of `scores`, and the only product that takes it.

    None if something of it is an output, does not follow by `follows(node, scores.result)`, or if
    it is more than `MOST_NODES`.
    """
    found: dict[Node, None] = {}
    contexts: dict[Node, None] = {}
    stack = [scores.result]
    while stack:
        value = stack.pop()
        if value in graph.outputs or len(found) > MOST_NODES:
            return None
        for reader in graph.uses.get(value, ()):
            if isinstance(reader.op, MatMul):
                contexts[reader] = None
            elif not follows(reader, scores.result):
                return None
            elif reader not in found:
                found[reader] = None
                stack.append(reader.result)
    if len(contexts) != 1:
        return None
    (context,) = contexts
    return list(found), context


def _fits(scores: Node, nodes: Sequence[Node], context: Node) -> bool:
    """Whether the second product multiplies weights, shaped as the scores, by something else."""
    made = {scores.result, *(node.result for node in nodes)}
    weights, values = context.operands
    return weights in made and values not in made and _shape(weights) == _shape(scores.result)


def _by_row(node: Node, scores: Value) -> bool:
    """Whether a node computes elements or sums of one row of the scores."""
    *outer, columns = _shape(scores)
    if isinstance(node.op, ReduceMean) or len(node.results) != 1:
        return False
    if isinstance(node.op, Reduce):
        whole = _shape(node.operands[0]) == (*outer, columns)
        return whole and node.op.keepdims and tuple(node.op.axes) == (len(outer),)
    kept = _shape(node.result) in ((*outer, columns), (*outer, 1))
    return isinstance(node.op, Elementwise) and kept


def _passes_by(attention: Attention, rows: list[Node]) -> bool:
    """Whether the weights need anything of the scores but the cut."""
    scores = attention.scores.result
    made = made_of_cut(attention, rows)
    return scores is not attention.cut and any(scores in node.operands for node in made)


def _keeps_batches(attention: Attention) -> bool:
    """Whether each matrix of weights is multiplied once."""
    result = _shape(attention.context.result)
    return result[:-2] == _shape(attention.weights)[:-2]


def _shape(value: Value) -> tuple[int, ...]:
    return value.tensor.dims
