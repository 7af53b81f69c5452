"""Importers of products whose weights are packed, a few bits each, in blocks with a scale.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import numpy as np

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.import_matmul import matmul_of_any_rank
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import unsupported
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.logic import And, Shr
from ncc.ir.ops.quantize import Dequantize
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

BITS = {2, 4, 8}


@importer("MatMulNBits", domain=MICROSOFT)
def matmul_nbits(ctx: Context) -> Value:
    """Operands a [..., K], b packed [N, blocks, bytes], scales and zero points of every block of a
    row of b, an order of K, and a bias; neither a nor the real weights are rounded.
    """
    if ctx.operand(4) is not None:
        raise unsupported("MatMulNBits with weights in another order")
    if ctx.attr("bits", 4) not in BITS:
        raise unsupported(f"MatMulNBits with {ctx.attr('bits')} bits")
    columns = ctx.build(Transpose((1, 0)), _weights(ctx))
    made = matmul_of_any_rank(ctx, ctx.cast(ctx[0], DType.f32), columns)
    if ctx.operand(5) is not None:
        made = ctx.build(Add(), made, ctx.cast(ctx[5], DType.f32))
    return ctx.cast(made, ctx.type(0).dtype)


def _weights(ctx: Context) -> Value:
    """The real weights f32 [N, K]."""
    rows, depth, size = (ctx.need_attr(name) for name in ("N", "K", "block_size"))
    blocks = -(-depth // size)
    whole = _unpacked(ctx, ctx[1], rows, blocks * size)
    grouped = ctx.build(Reshape((rows, blocks, size)), whole)
    scales = ctx.build(Reshape((rows, blocks, 1)), ctx.cast(ctx[2], DType.f32))
    real = ctx.build(Reshape((rows, blocks * size)), _real(ctx, grouped, scales))
    return ctx.build(Slice((0, 0), (rows, depth), (1, 1)), real)


def _real(ctx: Context, whole: Value, scales: Value) -> Value:
    """Real numbers by blocks; zero points are packed like weights, real, or the middle."""
    points = ctx.operand(3)
    if points is None:
        middle = ctx.const(1 << (ctx.attr("bits", 4) - 1), DType.u8)
        return ctx.build(Dequantize(), whole, scales, middle)
    rows, blocks, _ = scales.tensor.dims
    if not points.tensor.dtype.is_float:
        held = ctx.build(Reshape((rows, blocks, 1)), _unpacked(ctx, points, rows, blocks))
        return ctx.build(Dequantize(), whole, scales, held)
    held = ctx.build(Reshape((rows, blocks, 1)), ctx.cast(points, DType.f32))
    return ctx.build(Mul(), ctx.build(Sub(), ctx.cast(whole, DType.f32), held), scales)


def _unpacked(ctx: Context, packed: Value, rows: int, count: int) -> Value:
    """`count` numbers for each of `rows` rows of bytes, the lowest bits of a byte first."""
    bits, length = ctx.attr("bits", 4), packed.tensor.size // rows
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    each = ctx.build(Reshape((rows, length, 1)), packed)
    parts = ctx.build(Shr(), each, ctx.const(shifts))
    low = ctx.build(And(), parts, ctx.const((1 << bits) - 1, DType.u8))
    flat = ctx.build(Reshape((rows, length * len(shifts))), low)
    return ctx.build(Slice((0, 0), (rows, count), (1, 1)), flat)
