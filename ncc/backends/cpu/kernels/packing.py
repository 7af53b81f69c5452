"""The right operand of a contraction in panels, packed ahead of time where it is constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.filling import Filling
from ncc.backends.cpu.kernels.pack import PackBlocks, PackPanels
from ncc.backends.cpu.kernels.products import Packed, Product, factors_of
from ncc.backends.cpu.loopir.loops import Expr, For, Kind, Role, const
from ncc.backends.cpu.loopir.panels import WORD_BITS
from ncc.backends.cpu.storage.views import View, dense_strides, dense_view, runs
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import choose
from ncc.diagnostics import Locs
from ncc.ir.blocks import Blocks, blocks_of
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType, TensorType
from ncc.ir.whole import as_bytes

Widths = Callable[[Node, int, DType], int | None]
"""The width of the panels for a product of so many columns; None leaves it to the cost model."""


ROWS_PER_BYTE = 2
"""Rows for which reading weights, by bytes of a wide one, takes longer than widening them."""


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
    few = ROWS_PER_BYTE * weight.tensor.dtype.itemsize
    if root is None and weight.tensor.dtype.is_float and product.height <= few:
        weight = as_bytes(build, weight) or weight
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
    op = panels_op(product, factors_of(product.left.dtype, type.dtype), target, nr)
    value = build(op, arranged)
    flat = table.view(value)
    return _packed(flat, op, arranged.tensor, product, type.dims[:-2] if root is None else None)


def blocks_for(weight: Value, product: Product) -> Blocks | None:
    """A constant right operand of a matmul as integers in blocks, if it is best read as such."""
    few = product.height <= ROWS_PER_BYTE * weight.tensor.dtype.itemsize
    return blocks_of(Builder(), weight) if few else None


def packed_blocks(
    blocks: Blocks, product: Product, target: Target, table: WeightTable, nr: int | None = None
) -> Packed:
    """Integers in blocks, in panels of words, for a product whose runs are the blocks."""
    units = [value for value in (blocks.scales, blocks.points) if value is not None]
    width = panels_op(product, DType.f32, target, nr).nr
    op = PackBlocks(width, WORD_BITS // blocks.bits)
    flat = table.view(Builder()(op, blocks.whole, *units))
    pack = op.layout(blocks.whole.tensor, blocks.count, len(units))
    strides = (pack.panel // blocks.count,)
    view = replace(flat, shape=(1, flat.size), strides=(flat.size, 1))
    return Packed(view, pack, (0,) * len(product.domain), strides)


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
    pack = op.layout(arranged)
    row = -(-product.run // pack.kr) * pack.kr * pack.nr
    outer = dense_strides([extent for extent, _ in product.reduction[:-1]])
    return Packed(view, pack, strides, tuple(stride * row for stride in outer))


def packed_at_run_time(
    right: View,
    root: Conv | None,
    product: Product,
    target: Target,
    locs: Locs,
    nr: int | None = None,
) -> tuple[Packed, Call]:
    """A right operand [..., K, N] that is computed: a buffer of panels and the call to fill it.

    Of a convolution (`root`) it is [groups, K, N], else as a matmul has it. K is the summed axes
    of `product` in their order; a run of it may be longer than those of `right`, which then end
    in zeros.
    """
    *batch, _, columns = right.shape
    op = panels_op(product, right.dtype, target, nr)
    arranged = TensorType(right.dtype, (math.prod(batch), columns, product.outer, product.run))
    flat = dense_view(right.dtype, (op.infer(arranged).size,))
    packed = _packed(flat, op, arranged, product, tuple(batch) if root is None else None)
    held = right.shape[-2] // product.outer
    filling = Filling(right, product.outer, held, op, target.lanes, product.run)
    return packed, _fill(filling, flat, locs)


def _fill(filling: Filling, flat: View, locs: Locs) -> Call:
    """The call that puts every matrix in panels, one after the other in `flat`."""
    build = KernelBuilder()
    source, base = build.bind(filling.view, Role.input)
    into, _ = build.bind(filling.stored(flat), Role.output)
    batch = filling.view.shape[:-2]
    position = build.names.var()
    group, panel = position // filling.panels, position % filling.panels
    at = base + _start(runs(batch, filling.view.strides[:-2]), group)
    start = position * (filling.group // filling.panels)
    body = filling.panel(source, at, panel, into, start, build.names)
    count = filling.panels * math.prod(batch)
    return build.finish((For(position, count, (body,), Kind.parallel),), locs)


def _start(batch: Sequence[tuple[int, int]], group: Expr) -> Expr:
    """Where a group starts; groups count in the order of the batch axes."""
    at: Expr = const(0)
    for extent, stride in reversed(batch[1:]):
        at = at + group % extent * stride
        group = group // extent
    return at + group * batch[0][1] if batch else at
