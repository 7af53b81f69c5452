"""Importers of matrix products."""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_conv import wider
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.einsum import Einsum
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType


@importer("MatMul")
def matmul(ctx: Context) -> Value:
    return matmul_of_any_rank(ctx, ctx[0], ctx[1])


@importer("Gemm")
def gemm(ctx: Context) -> Value:
    """alpha * a @ b + beta * c, with a and b transposed on demand; rounded once."""
    a = _transposed(ctx, ctx[0]) if ctx.attr("transA", 0) else ctx[0]
    b = _transposed(ctx, ctx[1]) if ctx.attr("transB", 0) else ctx[1]
    product = ctx.build(MatMul(wider(ctx.type(0).dtype)), a, b)
    total = _scaled(ctx, product, ctx.attr("alpha", 1.0))
    c = ctx.operand(2)
    if c is not None:
        wide = ctx.cast(c, product.tensor.dtype)
        total = ctx.build(Add(), total, _scaled(ctx, wide, ctx.attr("beta", 1.0)))
    return ctx.cast(total, ctx.type(0).dtype)


@importer("Einsum")
def einsum(ctx: Context) -> Value:
    operands = [ctx[index] for index in range(len(ctx.operands))]
    return ctx.build(Einsum(ctx.need_attr("equation").replace(" ", "")), *operands)


def matmul_of_any_rank(ctx: Context, a: Value, b: Value, result: DType | None = None) -> Value:
    """numpy's matmul: an operand of one axis is a row on the left, a column on the right."""
    row, column = a.tensor.rank == 1, b.tensor.rank == 1
    left = ctx.build(Reshape((1, *a.tensor.shape)), a) if row else a
    right = ctx.build(Reshape((*b.tensor.shape, 1)), b) if column else b
    made = ctx.build(MatMul(result), left, right)
    if not row and not column:
        return made
    shape = made.tensor.shape
    kept = shape[:-2] + (() if row else shape[-2:-1]) + (() if column else shape[-1:])
    return ctx.build(Reshape(kept), made)


def _transposed(ctx: Context, x: Value) -> Value:
    return ctx.build(Transpose((1, 0)), x)


def _scaled(ctx: Context, x: Value, factor: float) -> Value:
    return x if factor == 1 else ctx.build(Mul(), x, ctx.const(factor, x.tensor.dtype))
