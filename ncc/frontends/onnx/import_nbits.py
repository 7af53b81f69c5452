"""Importers of products with weights in blocks with a scale, a few bits each, and of look-ups.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import numpy as np

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
    rows, depth, size = (ctx.need_attr(name) for name in ("N", "K", "block_size"))
    blocks = -(-depth // size)
    whole = _first(ctx, _unpacked(ctx, _by_row(ctx, ctx[1], rows)), blocks * size)
    scales = _by_row(ctx, ctx.cast(ctx[2], DType.f32), rows)
    points = _points(ctx, rows, blocks)
    if (order := ctx.operand(4)) is None:
        return _first(ctx, _real(ctx, whole, scales, points), depth)
    each = ctx.build(Gather(1), scales, order)
    if points.tensor.rank:
        points = ctx.build(Gather(1), points, order)
    return _dequantized(ctx, _first(ctx, whole, depth), each, points)


def _points(ctx: Context, rows: int, blocks: int) -> Value:
    """Zero points [rows, blocks], packed like weights or real; without any, the middle."""
    points = ctx.operand(3)
    if points is None:
        return ctx.const(1 << (ctx.attr("bits", 4) - 1), DType.u8)
    held = _by_row(ctx, points, rows)
    return held if points.tensor.dtype.is_float else _first(ctx, _unpacked(ctx, held), blocks)


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
    rows = counted_from_0(ctx, ctx[1], 0)
    looked_up = [ctx.build(Gather(0), value, rows) for value in _tables(ctx)]
    whole, scales, *points = looked_up
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
