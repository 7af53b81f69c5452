"""Products that lose more from rounded operands than they gain.

Errors of rounding average out over the terms of a sum. A sum of few terms keeps them, and is bound
by memory rather than by arithmetic, so that it gains little. And products of products with
nothing but linear ops between them and an input of the model are a filter bank: what comes out can
be far smaller than what went in, and so than its errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.arithmetic import Add, Div, Mul, Neg, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.passes.few_rows import has_few_rows, has_few_rows_of_blocks
from ncc.passes.rounded import PRODUCTS

FEW_TERMS = 32
"""Terms up to which a sum keeps the errors of its operands."""
FEW_OF_HEADS = 16
"""The same where both operands are computed, as queries and keys: a row of weights is made of all
of its sums, in which errors average out once more."""

SIGNALS = 4
"""Channels up to which what a convolution reads is taken for signals: sound, a picture."""

LINEAR = (Neg, BroadcastTo, Cast, Concat, Pad, Reshape, Slice, Transpose)
LINEAR_WITH_CONSTANT = (Add, Sub, Mul, *PRODUCTS)
LINEAR_IN_FIRST = (Div, Gather)
"""Linear in the first operand, with constant others."""


def sensitive(graph: Graph) -> frozenset[Node]:
    """The products of `graph` whose operands are better left as they are."""
    products = (node for node in graph.nodes if isinstance(node.op, PRODUCTS))
    found = {node for node in products if _gains_little(node)}
    return frozenset(found | _filter_bank(graph))


def _gains_little(product: Node) -> bool:
    """Whether rows are few, or sums short."""
    if has_few_rows(product) or has_few_rows_of_blocks(product):
        return True
    if is_depthwise(product):
        return False
    computed = not any(value.is_constant for value in product.operands)
    return terms(product) <= (FEW_OF_HEADS if computed else FEW_TERMS)


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution in which every channel has a filter of its own."""
    return isinstance(node.op, Conv) and node.op.is_depthwise(node.operands[1].tensor)


def terms(node: Node) -> float:
    """How many products each sum of a product node adds; infinite when the data decides."""
    w = node.operands[1].tensor
    if not w.is_static:
        return math.inf
    match node.op:
        case Conv():
            return math.prod(w.dims[1:])
        case ConvTranspose():
            return w.dims[0] * math.prod(w.dims[2:])
        case _:
            return w.dims[-2]


def _filter_bank(graph: Graph) -> set[Node]:
    """Products that work on an input through linear ops alone, where one follows another."""
    linear = list(_linear_in_inputs(graph))
    before: dict[Value, int] = {}
    for node in linear:
        passed = max(before.get(value, 0) for value in node.operands)
        before.update(dict.fromkeys(node.results, passed + _is_product(node)))
    after: dict[Value, int] = {}
    found: set[Node] = set()
    for node in reversed(linear):
        following = max(after.get(value, 0) for value in node.results)
        if _is_product(node) and max(map(before.__getitem__, node.results)) + following > 1:
            found.add(node)
        for value in node.operands:
            after[value] = max(after.get(value, 0), following + _is_product(node))
    return found


def _linear_in_inputs(graph: Graph) -> Iterator[Node]:
    """The nodes that are linear in inputs of the graph, as those before them are."""
    constant: set[Value] = set()
    linear = set(graph.inputs)
    for node in graph.nodes:
        given = [value for value in node.operands if value not in constant]
        if not given:
            constant.update(node.results)
        elif linear.issuperset(given) and _is_linear(node, given):
            linear.update(node.results)
            yield node


def _is_product(node: Node) -> bool:
    return isinstance(node.op, PRODUCTS)


def _is_linear(node: Node, given: list[Value]) -> bool:
    """Whether a node is linear in the operands `given`, the others being constant.

    A convolution of more channels than signals have is a layer, whose results are as large as what
    it reads.
    """
    if isinstance(node.op, Conv) and node.operands[1].tensor.dims[1] > SIGNALS:
        return False
    if isinstance(node.op, LINEAR_IN_FIRST):
        return given == [node.operands[0]]
    return isinstance(node.op, LINEAR) or (
        isinstance(node.op, LINEAR_WITH_CONSTANT) and len(given) == 1
    )
