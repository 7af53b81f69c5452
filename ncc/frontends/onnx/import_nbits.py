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
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

BITS = {2, 4, 8}
FEW_ROWS = 2
"""Rows for which products with integers, block by block, read less than one with real weights."""


@importer("MatMulNBits", domain=MICROSOFT)
def matmul_nbits(ctx: Context) -> Value:
    """Operands a [..., K], b packed [N, blocks, bytes], scales and zero points of every block of a
    row of b, an order of K, and a bias; a is not rounded.
    """
    if ctx.operand(4) is not None:
        raise unsupported("MatMulNBits with weights in another order")
    if ctx.attr("bits", 4) not in BITS:
        raise unsupported(f"MatMulNBits with {ctx.attr('bits')} bits")
    made = _by_blocks(ctx) if _is_short(ctx) else _whole(ctx)
    return made if ctx.operand(5) is None else ctx.build(Add(), made, ctx[5])


def _is_short(ctx: Context) -> bool:
    """Whether a has so few rows that reading weights takes longest, and blocks are all whole."""
    depth, size, a = ctx.need_attr("K"), ctx.need_attr("block_size"), ctx.type(0)
    points = ctx.operand(3)
    whole = points is None or not points.tensor.dtype.is_float
    few = a.is_static and a.rank > 1 and 0 < a.size <= FEW_ROWS * depth
    return few and whole and depth % size == 0 and ctx.attr("bits", 4) < 8


def _whole(ctx: Context) -> Value:
    """The product with real weights."""
    return matmul_of_any_rank(ctx, ctx[0], ctx.build(Transpose((1, 0)), _weights(ctx)))


def _by_blocks(ctx: Context) -> Value:
    """A product with the integers of each block, times their scales, then the sum of all."""
    columns, depth, size = (ctx.need_attr(name) for name in ("N", "K", "block_size"))
    a, blocks = ctx.type(0), depth // size
    rows = a.size // depth
    split = ctx.build(Reshape((rows, blocks, size)), ctx[0])
    left = ctx.build(Transpose((1, 0, 2)), split)
    flat = ctx.cast(_unpacked(ctx, ctx[1], columns, depth), DType.i8)
    grouped = ctx.build(Reshape((columns, blocks, size)), flat)
    whole = ctx.build(Sub(), grouped, _whole_points(ctx, columns, blocks))
    right = ctx.cast(ctx.build(Transpose((1, 2, 0)), whole), a.dtype)
    scales = ctx.build(Reshape((columns, blocks, 1)), ctx.cast(ctx[2], a.dtype))
    scaled = ctx.build(
        Mul(), ctx.build(MatMul(), left, right), ctx.build(Transpose((1, 2, 0)), scales)
    )
    total = ctx.build(ReduceSum((0,), keepdims=False), scaled)
    return ctx.build(Reshape((*a.dims[:-1], columns)), total)


def _whole_points(ctx: Context, rows: int, blocks: int) -> Value:
    """Zero points that broadcast against blocks; i8."""
    points = ctx.operand(3)
    if points is None:
        return ctx.const(1 << (ctx.attr("bits", 4) - 1), DType.i8)
    whole = ctx.cast(_unpacked(ctx, points, rows, blocks), DType.i8)
    return ctx.build(Reshape((rows, blocks, 1)), whole)


def _weights(ctx: Context) -> Value:
    """The real weights [N, K]."""
    rows, depth, size = (ctx.need_attr(name) for name in ("N", "K", "block_size"))
    blocks, dtype = -(-depth // size), ctx.type(0).dtype
    whole = _unpacked(ctx, ctx[1], rows, blocks * size)
    grouped = ctx.build(Reshape((rows, blocks, size)), whole)
    shifted = ctx.build(Sub(), ctx.cast(grouped, dtype), _points(ctx, rows, blocks))
    scales = ctx.build(Reshape((rows, blocks, 1)), ctx.cast(ctx[2], dtype))
    real = ctx.build(Reshape((rows, blocks * size)), ctx.build(Mul(), shifted, scales))
    return ctx.build(Slice((0, 0), (rows, depth), (1, 1)), real)


def _points(ctx: Context, rows: int, blocks: int) -> Value:
    """Zero points that broadcast against blocks: packed like the weights, real, or the middle."""
    dtype = ctx.type(0).dtype
    points = ctx.operand(3)
    if points is None:
        return ctx.const(float(1 << (ctx.attr("bits", 4) - 1)), dtype)
    if not points.tensor.dtype.is_float:
        points = _unpacked(ctx, points, rows, blocks)
    return ctx.build(Reshape((rows, blocks, 1)), ctx.cast(points, dtype))


def _unpacked(ctx: Context, packed: Value, rows: int, count: int) -> Value:
    """`count` numbers for each of `rows` rows of bytes, the lowest bits of a byte first."""
    bits, length = ctx.attr("bits", 4), packed.tensor.size // rows
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    each = ctx.build(Reshape((rows, length, 1)), packed)
    parts = ctx.build(Shr(), each, ctx.const(shifts))
    low = ctx.build(And(), parts, ctx.const((1 << bits) - 1, DType.u8))
    flat = ctx.build(Reshape((rows, length * len(shifts))), low)
    return ctx.build(Slice((0, 0), (rows, count), (1, 1)), flat)
