"""Importer of EmbedLayerNormalization of com.microsoft: the sum of embeddings, normalised."""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.layer_norm import LayerNorm
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType


@importer("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(ctx: Context) -> tuple[Value | None, ...]:
    """Operands words, segments, tables of words, places, segments, scale, bias, mask, places."""
    words, (batch, tokens) = ctx[0], ctx.type(0).dims
    places = ctx.operand(8) or ctx.build(Reshape((1, tokens)), ctx.build(Iota(tokens, DType.i32)))
    total = _embedded(ctx, 2, words)
    total = ctx.build(Add(), total, _embedded(ctx, 3, places))
    if (segments := ctx.operand(1)) is not None:
        total = ctx.build(Add(), total, _embedded(ctx, 4, segments))
    op = LayerNorm(2, ctx.attr("epsilon", 1e-12))
    return ctx.build(op, total, ctx[5], ctx[6]), _words_seen(ctx, batch), total


def _embedded(ctx: Context, table: int, indices: Value) -> Value:
    return ctx.build(Gather(0), ctx[table], indices)


def _words_seen(ctx: Context, batch: int) -> Value:
    """How many words of each sequence the mask has a 1 for; 0 without a mask."""
    mask = ctx.operand(7)
    if mask is None:
        return ctx.const([0] * batch, DType.i32)
    ones = ctx.build(Equal(), mask, ctx.const(1, mask.tensor.dtype))
    return ctx.build(ReduceSum((1,), False), ctx.cast(ones, DType.i32))
