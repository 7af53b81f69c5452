"""Attention as one kernel, some rows at a time.

A block of rows of the queries is multiplied by the keys, its scores become weights row by row, and
those are multiplied by the values. Scores and weights of a block stay in scratch, which the next
block overwrites; the products of both lengths are never in memory. Where blocks do not divide the
rows the last one starts early: it computes some rows again, and does not store them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ncc.backends.cpu.kernels.attention_rows import RowWriter, rows_at_a_time
from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, Evaluator, Scope
from ncc.backends.cpu.kernels.products import BATCHES, Packed, Product, matmul_product
from ncc.backends.cpu.kernels.space import Loop, Operand, flat_positions, join_axes
from ncc.backends.cpu.loopir.loops import (
    Const,
    Contract,
    Expr,
    For,
    Kind,
    Let,
    Local,
    Role,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.backends.cpu.loopir.panels import Pack
from ncc.backends.cpu.matrix import DEPTH, LEAST_ROWS, ROWS
from ncc.backends.cpu.storage.views import View, dense_view
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import choose, product_width
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.types import DType
from ncc.passes.attention import Attention

ROOM = 320 * 1024
"""Bytes of scores and weights of a block: they stay in the second-level cache beside panels."""
MOST_ROWS = 64
"""Rows of a block beyond which its scores are no longer near."""
LEAST_BLOCK = 8
"""Fewest rows of several blocks, for which it pays to read all panels."""
FAR = 1024
"""Bytes from one query to the next from which they share few sets of the first-level cache.

A tile of matrix registers reads each row of a block once; a copy of them cost more than it saved.
"""
COPIED = 64 * 1024
"""Bytes of queries that a core has room for beside scores, weights and what rows keep."""
VECTOR = 32
"""Divides the length of a row in scratch, an odd number of times: caches hold rows of such."""


def attends(attention: Attention) -> bool:
    """Whether a core has room for a block of rows, and there is more than one key."""
    return attention.cut.tensor.dims[-1] > 1 and block_rows(attention) is not None


def block_rows(attention: Attention) -> int | None:
    """Rows of a block: as many as fit, but so few that cores can share; None if too few fit.

    One block more where its rows fill fewer tiles, as 40 of 197 do where 50 would not.
    """
    *batch, rows, keys = attention.cut.tensor.dims
    types = (attention.cut.tensor.dtype, attention.weights.tensor.dtype)
    fitting = ROOM // (_length(keys + DEPTH) * sum(dtype.itemsize for dtype in types))
    least = min(rows, LEAST_BLOCK)
    if fitting < least or not math.prod((*batch, rows)):
        return None
    shared = -(-rows * math.prod(batch) // BATCHES)
    fewest = -(-rows // max(least, min(fitting, shared, MOST_ROWS)))
    return min((-(-rows // blocks) for blocks in (fewest, fewest + 1)), key=partial(_tiles, rows))


def _tiles(rows: int, block: int) -> int:
    """Tiles of matrix registers, one above the other, in all blocks of a matrix."""
    return -(-rows // block) * -(-block // ROWS)


def _length(elements: int) -> int:
    return (-(-elements // VECTOR) | 1) * VECTOR


class Shapes:
    """The two products of an attention, for a block of rows."""

    def __init__(self, attention: Attention, queries: View, target: Target) -> None:
        found = block_rows(attention)
        assert found is not None, "a block of rows fits"
        self.block = found
        self.queries = queries
        *self.batch, self.rows, self.keys = attention.cut.tensor.dims
        self.scores = self._product(attention.scores, queries)
        weights = attention.weights.tensor
        self.run = self._run(weights.dtype, target)
        shape = (*self.batch, self.rows, self.run)
        self.context = self._product(attention.context, dense_view(weights.dtype, shape))

    @property
    def blocks(self) -> int:
        """Blocks of the rows of one matrix; the last may start early."""
        return -(-self.rows // self.block)

    def _product(self, node: Node, left: View) -> Product:
        """The product of a block of rows of `left`."""
        (*batch, _, columns), right = node.result.tensor.dims, node.operands[1].tensor.dims
        block = replace(left, shape=(*left.shape[:-2], self.block, left.shape[-1]))
        return matmul_product(
            block, (*right[:-2], left.shape[-1], columns), (*batch, self.block, columns)
        )

    def _run(self, dtype: DType, target: Target) -> int:
        """Weights in a row: with those of no key, that steps in matrix registers are alike."""
        if product_width(dtype, target) == 1 or not target.has_matrix_registers:
            return self.keys
        if self.block < LEAST_ROWS or self.keys < DEPTH:
            return self.keys
        steps = -(-self.keys // DEPTH)
        return steps * 2 * -(-self.keys // (2 * steps))


@dataclass(frozen=True, slots=True)
class _Factors:
    """One product of a block: its operands, its columns, and what its body may read."""

    node: Node
    product: Product
    left: Operand
    right: Operand
    pack: Pack
    column: Loop
    inputs: Mapping[Value, Operand]


class AttentionKernel:
    """The kernel that computes `body`: an attention and what follows it.

    `packed` are the keys and the values in panels; `inputs` are the other inputs of the body that
    are read. Queries have stride 1 along the axis that is summed. The domain of the kernel is the
    batch, then rows, keys, columns, and rows of a block.
    """

    def __init__(
        self,
        body: Graph,
        attention: Attention,
        shapes: Shapes,
        packed: tuple[Packed, Packed],
        inputs: Mapping[Value, View],
        outputs: Sequence[View],
        target: Target,
    ) -> None:
        self.build = KernelBuilder()
        self.names = self.build.names
        self.body, self.attention, self.shapes, self.target = body, attention, shapes, target
        rank, columns = len(shapes.batch), shapes.context.columns
        self.row, self.key, self.column, self.local = (
            Loop(extent, "inner", (rank + place,))
            for place, extent in enumerate((shapes.rows, shapes.keys, columns, shapes.block))
        )
        queries = self._operand(shapes.queries, (self.row, None), Role.input)
        keys, values = (self._panels(one) for one in packed)
        place = body.nodes.index(attention.context)
        before = self._inputs(body.nodes[:place], inputs, self.key)
        after = self._inputs(body.nodes[place + 1 :], inputs, self.column)
        self.results = [
            self._operand(view, (self.row, self.column), Role.output) for view in outputs
        ]
        self.scores = self._scratch(attention.cut.tensor.dtype, shapes.keys)
        self.weights = self._scratch(attention.weights.tensor.dtype, shapes.run)
        self.given = self.queries = queries
        if _lie_far(shapes.queries, target) and self._fit(shapes.queries):
            self.queries = self._scratch(shapes.queries.dtype, shapes.scores.run)
        rooms = (self.scores, self.weights)
        self.rows = RowWriter(attention, body, self.key, before, rooms, self.build)
        self.first = _Factors(
            attention.scores, shapes.scores, self.queries, keys, packed[0].pack, self.key, before
        )
        self.second = _Factors(
            attention.context,
            shapes.context,
            self.weights,
            values,
            packed[1].pack,
            self.column,
            after,
        )
        operands = [queries, keys, values, *before.values(), *after.values(), *self.results]
        self.batches = join_axes(shapes.batch, ["batch"] * rank, operands, self.results[0])

    def call(self) -> Call:
        """The call that computes all rows."""
        return self.build.finish((self._blocks(),))

    # Operands.

    def _operand(self, view: View, along: tuple[Loop, Loop | None], role: Role) -> Operand:
        """An operand whose last two axes are walked by two loops, or its last by none."""
        rank = len(self.shapes.batch) + 2
        full = view.broadcast([1] * (rank - len(view.shape)) + list(view.shape))
        walked = [*full.strides[:-2], 0, 0, 0, 0]
        for loop, size, stride in zip(along, full.shape[-2:], full.strides[-2:], strict=True):
            if loop is not None and size > 1:
                walked[loop.fastest] = stride
        return Operand(*self.build.bind(view, role), walked)

    def _inputs(
        self, nodes: Sequence[Node], views: Mapping[Value, View], along: Loop
    ) -> dict[Value, Operand]:
        """Those of the inputs that `nodes` read."""
        read = {value for node in nodes for value in node.operands}
        return {
            value: self._operand(view, (self.row, along), Role.input)
            for value, view in views.items()
            if value in read
        }

    def _panels(self, packed: Packed) -> Operand:
        size = packed.view.shape[-1]
        strides = [groups * size for groups in packed.batch_strides[:-2]]
        return Operand(*self.build.bind(packed.view, Role.input), (*strides, 0, 0, 0, 0))

    def _scratch(self, dtype: DType, columns: int) -> Operand:
        """Room for a block of rows, each walked by `key`."""
        length = _length(columns)
        strides = [0] * (self.local.fastest + 1)
        strides[self.key.fastest], strides[self.local.fastest] = 1, length
        return Operand(self.build.allocate(dtype, self.local.extent * length), 0, strides)

    def _fit(self, queries: View) -> bool:
        """Whether there is room for a copy of the queries of a block."""
        length = _length(self.shapes.scores.run)
        return self.shapes.block * length * queries.dtype.itemsize <= COPIED

    # Statements.

    def _blocks(self) -> Stmt:
        """Blocks of all matrices, shared among the cores."""
        blocks = self.shapes.blocks
        position = self.names.var()
        scope = Scope(flat_positions(self.batches, position // blocks))
        first = start = position % blocks * self.shapes.block
        early = blocks * self.shapes.block > self.shapes.rows
        if early:
            first = Local(self.names("t"), start.dtype)
            last = const(self.shapes.rows - self.shapes.block)
            scope.stmts.append(Let(first, apply("min", start, last)))
        if self.queries is not self.given:
            scope.stmts.append(self._gather_queries(scope, first))
        scope.stmts.append(self._contract(self.first, scope, first, self._store_scores))
        scope.stmts += self._no_keys()
        scope.stmts.append(self._rows(scope, first))

        def store(evaluator: Evaluator, inner: Scope) -> None:
            new = apply("ge", inner.at[self.row], start) if early else None
            for value, operand in zip(self.body.outputs, self.results, strict=True):
                found = evaluator.value(value, inner)
                inner.stmts.append(Store(operand.buffer, operand.index(inner.at), found, new))

        scope.stmts.append(self._contract(self.second, scope, first, store))
        count = math.prod(self.shapes.batch) * blocks
        return For(position, count, tuple(scope.stmts), Kind.parallel)

    def _gather_queries(self, scope: Scope, first: Expr) -> Stmt:
        """The queries of a block side by side."""
        row, place = self.names.var(), self.names.var()
        found = self.given.load({**scope.at, self.row: first + row}, place)
        stored = self.queries.store({self.local: row, self.key: place}, found)
        copy = For(place, self.shapes.scores.run, (stored,), Kind.vector)
        return For(row, self.shapes.block, (copy,))

    def _store_scores(self, evaluator: Evaluator, scope: Scope) -> None:
        found = evaluator.value(self.attention.cut, scope)
        scope.stmts.append(self.scores.store(scope.at, found))

    def _no_keys(self) -> Sequence[Stmt]:
        """Zeros for the weights of no key."""
        more = self.shapes.run - self.shapes.keys
        if not more:
            return ()
        row, place = self.names.var(), self.names.var()
        at: dict[Loop, Expr] = {self.local: row, self.key: place + self.shapes.keys}
        zero = MATH.cast(Const(0, DType.f32), self.weights.buffer.dtype)
        body = For(place, more, (self.weights.store(at, zero),), Kind.vector)
        return (For(row, self.shapes.block, (body,)),)

    def _rows(self, scope: Scope, first: Expr) -> Stmt:
        """The weights of a block, some rows at a time; the last ones may be computed again."""
        block, width = self.shapes.block, rows_at_a_time(self.shapes.keys, self.shapes.block)
        turn = self.names.var()
        at = (
            turn * width if block % width == 0 else apply("min", turn * width, const(block - width))
        )
        inner = Scope({}, scope)
        self.rows.write(
            [
                inner.beside({self.row: first + at + line, self.local: at + line})
                for line in range(width)
            ]
        )
        return For(turn, -(-block // width), tuple(inner.stmts))

    def _contract(
        self,
        of: _Factors,
        scope: Scope,
        first: Expr,
        store: Callable[[Evaluator, Scope], None],
    ) -> Stmt:
        """One product of the block whose first row is `first`."""
        m, n, k = self.names.var(), self.names.var(), self.names.var()
        at = {**scope.at, self.row: first + m, self.local: m}
        inner = Scope({**at, of.column: n})
        acc = Local(self.names("acc"), of.node.operands[0].tensor.dtype.compute)
        inner.known[of.node.result] = MATH.cast(acc, of.node.result.tensor.dtype)
        store(Evaluator(of.inputs, {}, self.names), inner)
        columns, run, dtype = of.column.extent, of.product.run, of.left.buffer.dtype
        tile = choose(self.shapes.block, columns, run, dtype, self.target, nr=of.pack.nr)
        return Contract(
            m=((m, self.shapes.block),),
            n=n,
            columns=columns,
            k=((k, run),),
            a=of.left.load(at, k),
            b=of.right.load(scope.at),
            pack=of.pack,
            acc=acc,
            body=tuple(inner.stmts),
            tile=tile.shape,
        )


def _lie_far(queries: View, target: Target) -> bool:
    """Whether rows of a tile of vectors would drive each other out of the first-level cache."""
    if target.has_matrix_registers and product_width(queries.dtype, target) > 1:
        return False
    return queries.shape[-2] > 1 and queries.strides[-2] * queries.dtype.itemsize >= FAR
