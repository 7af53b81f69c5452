"""Scale queries and keys where they are projected, in the columns that are theirs.

    %0 = matmul(%x, %w) : f32[1, 197, 2304]
    %1 = reshape(%0) {shape = [1, 197, 3, 12, 64]} : f32[1, 197, 3, 12, 64]
    %2 = slice(%1) {starts = [0, 0, 0, 0, 0], sizes = [1, 197, 1, 12, 64], ...}
    %3 = mul(%2, %s)
becomes, when nothing else reads those columns and s is a number
    %0 = matmul(%x, %w) : f32[1, 197, 2304]
    %1 = mul(%0, %t) : f32[1, 197, 2304]
    %2 = reshape(%1) {shape = [1, 197, 3, 12, 64]} : f32[1, 197, 3, 12, 64]
    %3 = slice(%2) {starts = [0, 0, 0, 0, 0], sizes = [1, 197, 1, 12, 64], ...}

with s in the first 768 elements of t and 1 in the others; `fold_scale` makes t part of the weights.
So is a number by which the product of queries and keys is multiplied. In types narrower than f32
only powers of two are lifted, which round nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.ops.arithmetic import Add, Div, Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType
from ncc.passes import graph_pass

Mask = npt.NDArray[np.bool_]
VIEWS = (Reshape, Slice, Transpose)
MOST_VIEWS = 64
"""Views of one projection that are followed."""


@graph_pass
def lift_scale(graph: Graph) -> Graph:
    """`graph` with numbers that scale parts of projections behind the projections."""
    scales: dict[Value, list[tuple[Mask, float]]] = {}
    dropped: dict[Node, Value] = {}
    for node in graph.nodes:
        value = node.results[0]
        if _is_projection(graph, value):
            for part in _scaled_parts(graph, value, dropped):
                scales.setdefault(value, []).append((part.columns, part.factor))
                dropped[part.scale] = part.scaled
    return _lifted(graph, scales, dropped) if dropped else graph


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of a projection, the node that scales what is made of them, and its operand."""

    columns: Mask
    scale: Node
    scaled: Value
    factor: float


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column of a projection each element of a view of it comes from.

    Element i comes from column `first + sum(i[axis] * strides[axis])`.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    first: int = 0

    def seen(self, op: Reshape | Slice | Transpose) -> _Columns | None:
        """The same for a view of the view; None where columns and rows become one axis."""
        match op:
            case Transpose():
                return replace(
                    self,
                    sizes=tuple(self.sizes[axis] for axis in op.perm),
                    strides=tuple(self.strides[axis] for axis in op.perm),
                )
            case Slice():
                moved = sum(a * b for a, b in zip(op.starts, self.strides, strict=True))
                strides = tuple(a * b for a, b in zip(op.steps, self.strides, strict=True))
                return _Columns(_numbers(op.sizes), strides, self.first + moved)
            case Reshape():
                return self._reshaped(_numbers(op.shape))

    def _reshaped(self, sizes: tuple[int, ...]) -> _Columns | None:
        rest = [(size, s) for size, s in zip(self.sizes, self.strides, strict=True) if size > 1]
        strides: list[int] = []
        for size in reversed(sizes):
            stride, taken = (rest[-1][1] if rest else 0), 1
            while taken < size:
                have, own = rest.pop()
                step = math.gcd(have, size // taken)
                if own != stride * taken or step == 1:
                    return None
                taken *= step
                if step < have:
                    rest.append((have // step, own * step))
            strides.insert(0, stride if size > 1 else 0)
        return _Columns(sizes, tuple(strides), self.first)

    def mask(self, count: int) -> Mask:
        """Which of `count` columns there are."""
        found = np.array([self.first])
        for size, stride in zip(self.sizes, self.strides, strict=True):
            if stride:
                found = np.add.outer(found, np.arange(size) * stride).ravel()
        mask = np.zeros(count, np.bool_)
        mask[found] = True
        return mask


def _numbers(sizes: tuple[object, ...]) -> tuple[int, ...]:
    return tuple(size for size in sizes if isinstance(size, int))


def _is_projection(graph: Graph, value: Value) -> bool:
    """Whether a value is a product by constants with its bias, all read as one."""
    node = value.node
    if node is None or not isinstance(node.op, Add | MatMul) or value in graph.outputs:
        return False
    if not value.tensor.is_static or not value.tensor.dtype.is_float or not value.tensor.size:
        return False
    if value.is_constant:
        return False
    if isinstance(node.op, MatMul):
        return node.operands[1].is_constant
    product, bias = node.operands
    if product.is_constant:
        product, bias = bias, product
    of = product.node
    made = of is not None and isinstance(of.op, MatMul) and of.operands[1].is_constant
    return made and bias.is_constant and graph.readers(product) == 1


def _scaled_parts(graph: Graph, projection: Value, dropped: Container[Node]) -> Iterator[_Part]:
    """Parts that a number scales, of columns that nothing else reads, but by `dropped` nodes."""
    leaves = _leaves(graph, projection)
    readers = np.sum([mask for _, _, mask in leaves], axis=0)
    for reader, value, mask in leaves:
        found = _scale(graph, reader, value)
        apart = found is not None and found[0] not in dropped and (readers[mask] == 1).all()
        if found is not None and apart and (value is not projection or found[0] is not reader):
            yield _Part(mask, *found)


def _leaves(graph: Graph, projection: Value) -> list[tuple[Node, Value, Mask]]:
    """The readers of views of a projection with the columns that they read; none if unknown."""
    dims = projection.tensor.dims
    whole = _Columns(dims, (*(0,) * (len(dims) - 1), 1))
    found: list[tuple[Node, Value, Mask]] = []
    stack = [(projection, whole)]
    for _ in range(MOST_VIEWS):
        if not stack:
            return found
        value, columns = stack.pop()
        if value in graph.outputs:
            break
        for reader in graph.uses.get(value, ()):
            if not isinstance(reader.op, VIEWS):
                found.append((reader, value, columns.mask(dims[-1])))
                continue
            seen = columns.seen(reader.op)
            if seen is None:
                return []
            stack.append((reader.result, seen))
    return []


def _scale(graph: Graph, reader: Node, value: Value) -> tuple[Node, Value, float] | None:
    """The node that multiplies `value`, or the product that reads it, by a number."""
    scaled = value
    if isinstance(reader.op, MatMul):
        scaled = reader.result
        if graph.readers(scaled) > 1 or not graph.uses.get(scaled):
            return None
        (reader,) = graph.uses[scaled]
    if not isinstance(reader.op, Mul | Div) or reader.result.type != scaled.type:
        return None
    left, right = reader.operands
    by = number(right) if left is scaled else number(left)
    if by is None or (isinstance(reader.op, Div) and left is not scaled):
        return None
    factor = 1.0 / by if isinstance(reader.op, Div) and by else float(by)
    exact = value.tensor.dtype in {DType.f32, DType.f64} or abs(math.frexp(factor)[0]) == 0.5
    return (reader, scaled, factor) if exact and factor and math.isfinite(factor) else None


def _lifted(
    graph: Graph, scales: dict[Value, list[tuple[Mask, float]]], dropped: dict[Node, Value]
) -> Graph:
    def visit(build: Builder, node: Node, original: Node) -> Value | None:
        if original in dropped:
            return node.operands[original.operands.index(dropped[original])]
        parts = scales.get(original.results[0])
        if parts is None:
            return None
        made = build.append(node).result
        for columns, factor in parts:
            made = build(Mul(), made, _factors(build, columns, factor, made.tensor.dtype))
        return made

    return graph.rebuild_beside(visit)


def _factors(build: Builder, columns: Mask, factor: float, dtype: DType) -> Value:
    """`factor` where `columns` are, 1 elsewhere."""
    one, by = (build(Constant(Literal.of(np.asarray(x, dtype.numpy)))) for x in (1.0, factor))
    bounds = [0, *(np.flatnonzero(np.diff(columns)) + 1).tolist(), columns.size]
    runs = [
        build(BroadcastTo((end - start,)), by if columns[start] else one)
        for start, end in itertools.pairwise(bounds)
    ]
    return runs[0] if len(runs) == 1 else build(Concat(0), *runs)
