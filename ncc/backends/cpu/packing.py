"""The right operand of a contraction in panels: weights when the bundle is written, others at run time."""

from __future__ import annotations

import math
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
)
from ncc.backends.cpu.pack import PackPanels
from ncc.backends.cpu.products import Packed, Product
from ncc.backends.cpu.space import Operand, flat_positions, join_axes
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import choose
from ncc.backends.cpu.views import Memory, Space, View, dense_strides
from ncc.backends.cpu.weights import WeightTable
from ncc.diagnostics import Locs
from ncc.ir.graph import Builder, Value
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType, TensorType


def panels_op(product: Product, dtype: DType, target: Target) -> PackPanels:
    """How to pack the right operand for the register tile of this product."""
    total = product.outer * product.run
    tile = choose(product.rows, product.columns, total, dtype, target)
    return PackPanels(tile.columns, tile.kr)


def packed_weight(
    weight: Value, root: Conv | None, product: Product, target: Target, table: WeightTable
) -> Packed:
    """A constant right operand: of a convolution (`root`), else of a matmul."""
    build = Builder()
    type = weight.tensor
    if root is not None:
        groups = root.groups
        taps = tuple(range(2, type.rank))
        arranged = build(Transpose((0, *taps, 1)), weight)
    else:
        groups = math.prod(type.dims[:-2])
        lead = tuple(range(type.rank - 2))
        arranged = build(Transpose((*lead, type.rank - 1, type.rank - 2)), weight)
    shape = (groups, product.columns, product.outer, product.run)
    arranged = build(Reshape(shape), arranged)
    op = panels_op(product, type.dtype, target)
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
    right: View, product: Product, target: Target, locs: Locs
) -> tuple[Packed, Call]:
    """A right operand [..., K, N] that is computed: a buffer of panels and the call to fill it."""
    *batch, rows, columns = right.shape
    op = panels_op(product, right.dtype, target)
    arranged = TensorType(right.dtype, (math.prod(batch), columns, 1, rows))
    size = op.infer(arranged).size
    memory = Memory(Space.arena, size * right.dtype.itemsize)
    flat = View(memory, right.dtype, (size,), (1,))
    packed = _packed(flat, op, arranged, product, tuple(batch))
    return packed, _fill(right, flat, packed, op, locs)


def _fill(right: View, flat: View, packed: Packed, op: PackPanels, locs: Locs) -> Call:
    """Copy `right` into panels; with kr = 2, two rows are written as one 32-bit element."""
    *batch, rows, columns = right.shape
    build = KernelBuilder()
    pairs = op.kr == 2
    source = _as_pairs(right) if pairs else None
    view = source or right
    buffer, base = build.bind(view, Role.input)
    into = replace(flat, dtype=DType.u32, shape=(flat.size // 2,)) if pairs else flat
    target, _ = build.bind(into, Role.output)
    domain = (*batch, 1, 1)
    operand = Operand(buffer, base, view.strides)
    loops = join_axes(domain, ["batch"] * len(domain), [operand], operand)
    panels, steps = -(-columns // op.nr), -(-rows // op.kr)
    position, step, lane = build.names.var(), build.names.var(), build.names.var()
    group, panel = position // panels, position % panels
    at = operand.index(flat_positions(loops, group))
    column = panel * op.nr + lane
    inside = None if columns % op.nr == 0 else column < columns

    def element(row: Expr, last: int) -> Expr:
        guard = _both(inside, row < rows if last > rows else None)
        index = at + row * view.strides[-2] + column * view.strides[-1]
        return Load(buffer, index, guard, guard and Const(0, view.dtype))

    if source is not None:
        value = element(step, steps)
    elif pairs:
        low, high = (
            Convert(Convert(element(step * 2 + half, steps * 2), DType.u16, bits=True), DType.u32)
            for half in (0, 1)
        )
        value = low | apply("shl", high, Const(16, DType.u32))
    else:
        value = element(step, steps)
    index = (position * steps + step) * op.nr + lane
    body: Stmt = Store(target, index, value)
    body = For(lane, op.nr, (body,), Kind.vector)
    body = For(step, steps, (body,))
    count = panels * math.prod(batch)
    return build.finish((For(position, count, (body,), Kind.parallel),), locs)


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
