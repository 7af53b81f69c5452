"""The right operand of a contraction in panels, packed ahead of time where it is constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ncc.backends.cpu.builder import Call, KernelBuilder
from ncc.backends.cpu.loops import (
    Const,
    Convert,
    Expr,
    For,
    Kind,
    Load,
    Role,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.backends.cpu.pack import PackPanels
from ncc.backends.cpu.products import Packed, Product
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import choose
from ncc.backends.cpu.views import Memory, Space, View, dense_strides, runs
from ncc.backends.cpu.weights import WeightTable
from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType, TensorType

Widths = Callable[[Node, int, DType], int | None]
"""The width of the panels for a product of so many columns; None leaves it to the cost model."""


def by_cost(root: Node, columns: int, dtype: DType) -> None:
    """Leave every width to the cost model."""


def panels_op(product: Product, dtype: DType, target: Target, nr: int | None) -> PackPanels:
    """How to pack the right operand for the register tile of this product.

    `nr` is the width of panels, if the cost model is not to choose it.
    """
    total = product.outer * product.run
    rows, outer = product.rows
    tile = choose(rows, product.columns, total, dtype, target, outer=outer, nr=nr)
    return PackPanels(tile.columns, tile.kr)


def packed_weight(
    weight: Value,
    root: Conv | None,
    product: Product,
    target: Target,
    table: WeightTable,
    nr: int | None = None,
) -> Packed:
    """A constant right operand: of a convolution (`root`), else of a matmul."""
    build = Builder()
    type = weight.tensor
    if root is not None:
        groups = root.groups
        taps = tuple(range(2, type.rank))
        arranged = build(Transpose((0, *taps, 1)), weight)
        channels = product.outer * product.run // math.prod(type.dims[2:])
        spare = (*[0] * (type.rank - 1), channels - type.dims[1])
        arranged = build(Pad((0,) * type.rank, spare), arranged)
    else:
        groups = math.prod(type.dims[:-2])
        lead = tuple(range(type.rank - 2))
        arranged = build(Transpose((*lead, type.rank - 1, type.rank - 2)), weight)
    shape = (groups, product.columns, product.outer, product.run)
    arranged = build(Reshape(shape), arranged)
    op = panels_op(product, type.dtype, target, nr)
    value = build(op, arranged)
    flat = table.view(value)
    return _packed(flat, op, arranged.tensor, product, type.dims[:-2] if root is None else None)


def _packed(
    flat: View,
    op: PackPanels,
    arranged: TensorType,
    product: Product,
    batch: tuple[int, ...] | None,
) -> Packed:
    """`batch` holds the leading axes of a matmul's right operand; None for a convolution."""
    groups = arranged.dims[0]
    size = flat.size // groups if groups else 0
    view = replace(flat, shape=(groups, size), strides=(size, 1))
    if batch is None:
        strides = tuple(int(kind == "batch") for kind in product.kinds)
    else:
        missing = len(product.domain) - 2 - len(batch)
        held = dense_strides(batch)
        walked = (s if n > 1 else 0 for n, s in zip(batch, held, strict=True))
        strides = (*[0] * missing, *walked, 0, 0)
    return Packed(view, op.layout(arranged), strides)


def packed_at_run_time(
    right: View, product: Product, target: Target, locs: Locs, nr: int | None = None
) -> tuple[Packed, Call]:
    """A right operand [..., K, N] that is computed: a buffer of panels and the call to fill it.

    K is the summed axes of `product` in their order.
    """
    *batch, _, columns = right.shape
    op = panels_op(product, right.dtype, target, nr)
    arranged = TensorType(right.dtype, (math.prod(batch), columns, product.outer, product.run))
    size = op.infer(arranged).size
    memory = Memory(Space.arena, size * right.dtype.itemsize)
    flat = View(memory, right.dtype, (size,), (1,))
    packed = _packed(flat, op, arranged, product, tuple(batch))
    return packed, _Filling(right, product, op).write(flat, locs)


class _Filling:
    """Copies a right operand into panels; with kr = 2, two rows make one 32-bit element."""

    def __init__(self, right: View, product: Product, op: PackPanels) -> None:
        self.op = op
        self.run = product.run
        self.outer = product.outer
        self.steps = -(-product.run // op.kr)
        *batch, _, self.columns = right.shape
        self.panels = -(-self.columns // op.nr)
        self.count = self.panels * math.prod(batch)
        self.build = KernelBuilder()
        self.pairs = _as_pairs(right) if op.kr == 2 and not product.run % 2 else None
        self.view = self.pairs or right
        self.buffer, base = self.build.bind(self.view, Role.input)
        self.base = base
        self.batch = runs(batch, self.view.strides[:-2])

    def write(self, flat: View, locs: Locs) -> Call:
        if self.op.kr == 2:
            flat = replace(flat, dtype=DType.u32, shape=(flat.size // 2,))
        target, _ = self.build.bind(flat, Role.output)
        position, step, lane = (self.build.names.var() for _ in range(3))
        group, panel = position // self.panels, position % self.panels
        at = self._start(group)
        column = panel * self.op.nr + lane
        value = self._value(at, step, column)
        index = (position * (self.outer * self.steps) + step) * self.op.nr + lane
        body: Stmt = For(lane, self.op.nr, (Store(target, index, value),), Kind.vector)
        body = For(step, self.outer * self.steps, (body,))
        return self.build.finish((For(position, self.count, (body,), Kind.parallel),), locs)

    def _start(self, group: Expr) -> Expr:
        """Where the first element of a group is; groups count in the order of the batch axes."""
        at: Expr = const(self.base)
        for extent, stride in reversed(self.batch[1:]):
            at = at + group % extent * stride
            group = group // extent
        return at + group * self.batch[0][1] if self.batch else at

    def _value(self, at: Expr, step: Expr, column: Expr) -> Expr:
        if self.pairs is not None or self.op.kr == 1:
            return self._element(at, step, column, None)
        outer, pair = step // self.steps, step % self.steps
        halves = []
        for half in (0, 1):
            place = pair * 2 + half
            there = place < self.run if half and self.run % 2 else None
            row = outer * self.run + place
            bits = Convert(self._element(at, row, column, there), DType.u16, bits=True)
            halves.append(Convert(bits, DType.u32))
        return halves[0] | apply("shl", halves[1], Const(16, DType.u32))

    def _element(self, at: Expr, row: Expr, column: Expr, there: Expr | None) -> Expr:
        inside = None if self.columns % self.op.nr == 0 else column < self.columns
        guard = _both(inside, there)
        index = at + row * self.view.strides[-2] + column * self.view.strides[-1]
        return Load(self.buffer, index, guard, guard and Const(0, self.view.dtype))


def _both(a: Expr | None, b: Expr | None) -> Expr | None:
    return a & b if a is not None and b is not None else a or b


def _as_pairs(right: View) -> View | None:
    """Two neighbouring rows as one 32-bit element, where they lie so in memory."""
    *others, row, column = right.strides
    even = all(s % 2 == 0 for s in (*others, column, right.offset, right.low))
    if row != 1 or right.shape[-2] % 2 or not even:
        return None
    return replace(
        right,
        dtype=DType.u32,
        shape=(*right.shape[:-2], right.shape[-2] // 2, right.shape[-1]),
        strides=(*(s // 2 for s in others), 1, column // 2),
        offset=right.offset // 2,
    )
