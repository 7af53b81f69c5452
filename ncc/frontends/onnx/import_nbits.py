"""Importers of products with weights in blocks with a scale, a few bits each, and of look-ups.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.import_index import counted_from_0
from ncc.frontends.onnx.import_matmul import matmul_of_any_rank
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import unsupported
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.logic import And, Shr
from ncc.ir.ops.quantize import Dequantize
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

BITS = {2, 4, 8}


@importer("MatMulNBits", domain=MICROSOFT)
def matmul_nbits(ctx: Context) -> Value:
    """Operands a [..., K], b packed [N, blocks, bytes], scales and zero points of every block of a
    row of b, the block of each of K, and a bias; neither a nor the real weights are rounded.
    """
    _require_bits(ctx)
    columns = ctx.build(Transpose((1, 0)), _weights(ctx))
    made = matmul_of_any_rank(ctx, ctx.cast(ctx[0], DType.f32), columns)
    if ctx.operand(5) is not None:
        made = ctx.build(Add(), made, ctx.cast(ctx[5], DType.f32))
    return ctx.cast(made, ctx.type(0).dtype)


def _weights(ctx: Context) -> Value:
    """The real weights f32 [N, K]."""
    rows, depth, size = _sizes(ctx)
    blocks = -(-depth // size)
    whole = _first(ctx, _unpacked(ctx, _by_row(ctx, ctx[1], rows)), blocks * size)
    scales = ctx.build(Reshape((rows, blocks)), ctx.cast(ctx[2], DType.f32))
    points = _points(ctx, rows, blocks)
    if (order := ctx.operand(4)) is None:
        return _first(ctx, _real(ctx, whole, scales, points), depth)
    order = _first(ctx, order, depth)
    each = ctx.build(Gather(1), scales, order)
    if points.tensor.rank:
        points = ctx.build(Gather(1), points, order)
    return _dequantized(ctx, _first(ctx, whole, depth), each, points)


def _sizes(ctx: Context) -> tuple[int, int, int]:
    """Columns of the product, elements of a sum, and those of a block."""
    sizes = ctx.need_attr("N"), ctx.need_attr("K"), ctx.need_attr("block_size")
    if min(sizes) < 1:
        raise NccError(
            "invalid-model", f"N, K and block_size are {list(sizes)}, each needs 1 or more"
        )
    return sizes


def _points(ctx: Context, rows: int, blocks: int) -> Value:
    """Zero points [rows, blocks], packed like weights or real; without any, the middle."""
    points = ctx.operand(3)
    if points is None:
        return ctx.const(1 << (ctx.attr("bits", 4) - 1), DType.u8)
    if points.tensor.dtype.is_float:
        return ctx.build(Reshape((rows, blocks)), points)
    return _first(ctx, _unpacked(ctx, _by_row(ctx, points, rows)), blocks)


@importer("GatherBlockQuantized", domain=MICROSOFT)
def gather_block_quantized(ctx: Context) -> Value:
    """Operands data [rows, columns], indices, scales and zero points [rows, blocks].

    Bytes of data and zero points hold numbers of `bits` bits.
    """
    data, rank = ctx.type(0), ctx.type(0).rank
    axes = axis_of(ctx.attr("gather_axis", 0), rank), axis_of(ctx.attr("quantize_axis", 1), rank)
    if axes != (0, rank - 1):
        raise unsupported(f"GatherBlockQuantized along axes {list(axes)}")
    _require_bits(ctx)
    tables = _tables(ctx)
    rows = counted_from_0(ctx, ctx[1], 0)
    whole, scales, *points = (ctx.build(Gather(0), table, rows) for table in tables)
    if data.dtype is DType.u8:
        whole = _unpacked(ctx, whole)
    if whole.tensor.dims[-1] != scales.tensor.dims[-1] * ctx.attr("block_size", 128):
        raise unsupported(f"GatherBlockQuantized with blocks that {data} does not fill")
    if points and data.dtype is DType.u8:
        points = [_first(ctx, _unpacked(ctx, points[0]), scales.tensor.dims[-1])]
    middle = 1 << (ctx.attr("bits", 4) - 1) if data.dtype is DType.u8 else 0
    return _real(ctx, whole, scales, *points or [ctx.const(middle, whole.tensor.dtype)])


def _tables(ctx: Context) -> list[Value]:
    """The operands that are looked up; numbers of 4 bits as bytes."""
    given = [ctx[0], ctx[2], ctx.operand(3)]
    held = {DType.i4: DType.i8, DType.u4: DType.u8}
    tables = [value for value in given if value is not None]
    for value in (ctx[1], *tables):
        if not value.tensor.is_static:
            raise unsupported(
                f"GatherBlockQuantized of {value.tensor}, whose sizes the data decides"
            )
    if len({table.tensor.dims[:-1] for table in tables}) > 1:
        raise NccError("invalid-model", f"scales or zero points have other rows than {ctx.type(0)}")
    return [ctx.cast(x, held.get(x.tensor.dtype, x.tensor.dtype)) for x in tables]


def _require_bits(ctx: Context) -> None:
    if ctx.attr("bits", 4) not in BITS:
        raise unsupported(f"weights of {ctx.attr('bits')} bits")


def _real(ctx: Context, whole: Value, scales: Value, points: Value) -> Value:
    """Real numbers [..., blocks * size] of integers with a scale, and a zero point, a block."""
    dims, units = whole.tensor.dims, scales.tensor.dims
    apart = ctx.build(Reshape((*units, dims[-1] // units[-1])), whole)
    each, point = (
        value if value.tensor.rank == 0 else ctx.build(Reshape((*units, 1)), value)
        for value in (scales, points)
    )
    return ctx.build(Reshape(dims), _dequantized(ctx, apart, each, point))


def _dequantized(ctx: Context, whole: Value, scales: Value, points: Value) -> Value:
    """Real numbers; the operands broadcast."""
    if not points.tensor.dtype.is_float:
        return ctx.build(Dequantize(), whole, scales, points)
    real = ctx.build(Sub(), ctx.cast(whole, DType.f32), ctx.cast(points, DType.f32))
    return ctx.build(Mul(), real, scales)


def _by_row(ctx: Context, x: Value, rows: int) -> Value:
    """As many bytes for each row."""
    return ctx.build(Reshape((rows, x.tensor.size // rows)), x)


def _first(ctx: Context, x: Value, count: int) -> Value:
    """The first elements of the last axis."""
    return part(ctx.build, x, x.tensor.rank - 1, 0, count)


def _unpacked(ctx: Context, packed: Value) -> Value:
    """The numbers in bytes along the last axis, the lowest bits of a byte first."""
    bits, dims = ctx.attr("bits", 4), packed.tensor.dims
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    each = ctx.build(Reshape((*dims, 1)), packed)
    parts = ctx.build(Shr(), each, ctx.const(shifts))
    low = ctx.build(And(), parts, ctx.const((1 << bits) - 1, DType.u8))
    return ctx.build(Reshape((*dims[:-1], dims[-1] * len(shifts))), low)
