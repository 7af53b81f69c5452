"""Give all that stands between two products the same axes in front, so that no view parts them.

    %0 = matmul(%q, %k) : f32[64, 3, 49, 49]
    %1 = reshape(%0) {shape = [2, 32, 3, 49, 49]} : f32[2, 32, 3, 49, 49]
    %2 = add(%1, %mask) : f32[2, 32, 3, 49, 49]
    %3 = reshape(%2) {shape = [64, 3, 49, 49]} : f32[64, 3, 49, 49]
    ...
    %8 = matmul(%7, %v) : f32[64, 3, 49, 32]
becomes
    %0 = reshape(%q) {shape = [2, 32, 3, 49, 32]} : f32[2, 32, 3, 49, 32]
    %1 = reshape(%k) {shape = [2, 32, 3, 32, 49]} : f32[2, 32, 3, 32, 49]
    %2 = matmul(%0, %1) : f32[2, 32, 3, 49, 49]
    %3 = add(%2, %mask) : f32[2, 32, 3, 49, 49]
    ...
    %8 = reshape(%v) {shape = [2, 32, 3, 49, 32]} : f32[2, 32, 3, 49, 32]
    %9 = matmul(%7, %8) : f32[2, 32, 3, 49, 32]
    %10 = reshape(%9) {shape = [64, 3, 49, 32]} : f32[64, 3, 49, 32]

Reshapes of what is computed once and read once are views; between the products they kept `fuse`
from making one kernel, and behind them the result from being written where its transposition lies.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise, Op
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import Reduce, ReduceMean
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.prune import prune
from ncc.passes import graph_pass
from ncc.passes.attention import MOST_NODES, followers

Dims = tuple[int, ...]


@graph_pass
def align_attention(graph: Graph) -> Graph:
    """`graph` with the reshapes between two products moved in front of and behind them."""
    found: dict[Node, _Region] = {}
    for node in graph.nodes:
        region = _region(graph, node) if isinstance(node.op, MatMul) else None
        if region is not None and found.keys().isdisjoint(region.nodes):
            found.update(dict.fromkeys(region.nodes, region))
    return _Aligner(graph, found).graph() if found else graph


@dataclass(eq=False)
class _Region:
    """Two products, all between them, and the views of the result that are the last of `nodes`.

    `axes` are the sizes of the axes in front of rows and columns that all of it gets.
    """

    nodes: tuple[Node, ...]
    axes: Dims


def _region(graph: Graph, scores: Node) -> _Region | None:
    """What is between `scores` and the only product that takes what is made of them."""
    found = followers(graph, scores, _keeps_rows)
    if found is None:
        return None
    nodes, context = [scores, *found[0]], found[1]
    if len(nodes) > MOST_NODES or not _takes(context, nodes) or not _some(Reduce, nodes):
        return None
    tail = _tail(graph, context)
    if not _some(Reshape, (*nodes, *tail)):
        return None
    axes = _common_axes([_front(node.result) for node in (*nodes, context, *tail)])
    return None if axes is None else _Region((*nodes, context, *tail), axes)


def _keeps_rows(node: Node, scores: Value) -> bool:
    """Whether a node computes elements or sums of one row of each matrix of the scores."""
    if len(node.results) != 1 or isinstance(node.op, ReduceMean):
        return False
    dims, (rows, columns) = node.result.tensor.dims, scores.tensor.dims[-2:]
    along = isinstance(node.op, Reduce) and node.op.keepdims and node.op.axes == (len(dims) - 1,)
    if not along and not isinstance(node.op, Elementwise | Reshape):
        return False
    return dims[-2:] in ((rows, columns), (rows, 1)) and _count(node.result) == _count(scores)


def _takes(context: Node, nodes: Sequence[Node]) -> bool:
    """Whether the product multiplies what one of `nodes` made by something else, once each."""
    weights, values = context.operands
    apart = weights.node in nodes and values.node not in nodes
    return apart and _count(context.result) == _count(weights)


def _tail(graph: Graph, context: Node) -> list[Node]:
    """What is made of the elements of a result alone, up to a reshape of the axes in front."""
    found: list[Node] = []
    node = context
    while graph.readers(node.result) == 1 == len(graph.uses.get(node.result, ())):
        (node,) = graph.uses[node.result]
        if not isinstance(node.op, Elementwise | Reshape) or not _alike(node, context.result):
            return []
        found.append(node)
        if isinstance(node.op, Reshape):
            return found
    return []


def _alike(node: Node, value: Value) -> bool:
    """Whether the result of a node has as many matrices as `value`, of the same sizes."""
    made = node.result
    return made.tensor.dims[-2:] == value.tensor.dims[-2:] and _count(made) == _count(value)


def _some(kind: type[Op], nodes: Iterable[Node]) -> bool:
    return any(isinstance(node.op, kind) for node in nodes)


def _front(value: Value) -> Dims:
    return value.tensor.dims[:-2]


def _count(value: Value) -> int:
    return math.prod(_front(value))


def _common_axes(shapes: Sequence[Dims]) -> Dims | None:
    """The fewest axes that each of `shapes` joins some of; those of the last if they do.

    Shapes of as many elements; none where one of them is of a single matrix.
    """
    if () in shapes:
        return ()
    marks = sorted({mark for shape in shapes for mark in _marks(shape)} | {1})
    if 0 in marks or any(high % low for low, high in itertools.pairwise(marks)):
        return None
    if set(marks) == {1, *_marks(shapes[-1])}:
        return shapes[-1]
    return tuple(high // low for low, high in itertools.pairwise(marks))[::-1]


def _marks(shape: Dims) -> list[int]:
    """How many elements lie behind each axis, itself included."""
    return list(itertools.accumulate(reversed(shape), operator.mul))


def _groups(joined: Dims, axes: Dims) -> list[Dims]:
    """Which of `axes` make each axis of `joined`; axes of size 1 that are left go to the first."""
    found: list[Dims] = []
    rest = list(axes)
    for size in reversed(joined):
        group: list[int] = []
        while math.prod(group) < size:
            group.insert(0, rest.pop())
        found.insert(0, tuple(group))
    return [(*rest, *found[0]), *found[1:]] if found else []


def _split(dims: Dims, joined: Dims, axes: Dims) -> Dims:
    """`dims`, each 1 or that of `joined`, over `axes`, some of which make each of `joined`."""
    padded = (1,) * (len(joined) - len(dims)) + dims
    pairs = zip(padded, _groups(joined, axes), strict=True)
    return tuple(axis if have > 1 else 1 for have, group in pairs for axis in group)


class _Aligner:
    """Rebuilds a graph; `inside` are values of regions on their new axes."""

    def __init__(self, graph: Graph, regions: dict[Node, _Region]) -> None:
        self.original = graph
        self.regions = regions
        self.build = Builder()
        self.inside: dict[Value, Value] = {}
        self.mapped: dict[Value, Value] = {}

    def graph(self) -> Graph:
        graph = self.original
        for node in graph.nodes:
            self.build.locs = node.locs
            if node in self.regions:
                self.align(node, self.regions[node])
            elif isinstance(node.op, Transpose) and node.operands[0] in self.inside:
                self.transpose(node, node.op)
            else:
                operands = [self.mapped.get(value, value) for value in node.operands]
                made = self.build.append(self.build.again(node, operands))
                self.mapped.update(zip(node.results, made.results, strict=True))
        outputs = [self.mapped.get(value, value) for value in graph.outputs]
        made_graph = Graph(graph.name, graph.inputs, self.build.nodes, outputs, graph.output_names)
        return prune(made_graph)

    def align(self, node: Node, region: _Region) -> None:
        """`node` on the axes of its region; what others read of it on its own as well."""
        value, op = node.result, node.op
        if isinstance(op, Reshape):
            self.inside[value] = self.inside[node.operands[0]]
        else:
            if isinstance(op, Reduce):
                op = replace(op, axes=(len(region.axes) + 1,))
            operands = [self.operand(value, node, region) for value in node.operands]
            self.inside[value] = self.build(op, *operands)
        if node is region.nodes[-1]:
            self.mapped[value] = self.reshaped(self.inside[value], value.tensor.dims)

    def operand(self, value: Value, node: Node, region: _Region) -> Value:
        """An operand of `node` on the axes of its region."""
        if value in self.inside:
            return self.inside[value]
        dims, new = value.tensor.dims, self.mapped.get(value, value)
        if len(dims) <= 2:
            return new
        return self.reshaped(
            new, (*_split(dims[:-2], _front(node.result), region.axes), *dims[-2:])
        )

    def transpose(self, node: Node, op: Transpose) -> None:
        """A transposition of a result, of more axes; those that were one stay beside each other."""
        source = node.operands[0]
        made, dims = self.inside[source], source.tensor.dims
        sizes = [*_groups(dims[:-2], made.tensor.dims[:-2]), dims[-2:-1], dims[-1:]]
        first = list(itertools.accumulate(map(len, sizes), initial=0))
        perm = tuple(n for axis in op.perm for n in range(first[axis], first[axis + 1]))
        moved = self.build(Transpose(perm), made)
        self.mapped[node.result] = self.reshaped(moved, node.result.tensor.dims)

    def reshaped(self, value: Value, dims: Dims) -> Value:
        return value if value.tensor.dims == dims else self.build(Reshape(dims), value)
