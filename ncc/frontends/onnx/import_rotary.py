"""Rotary position embedding: pairs of elements of a head turned by angles of its token's place."""

from __future__ import annotations

from ncc.frontends.onnx.attention import join_heads, refuse, split_heads
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.reshape import Reshape


@importer("RotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(ctx: Context) -> Value:
    """Operands x, places of its tokens or of the first one, cosines and sines by place."""
    refuse(ctx, "is_packed_batching")
    turned = 2 * ctx.type(2).dims[-1]
    if ctx.type(0).rank == 4:
        return _at(ctx, ctx[0])
    width = ctx.type(0).dims[2]
    count = ctx.attr("num_heads", 0) if ctx.attr("rotary_embedding_dim", 0) else width // turned
    return join_heads(ctx, _at(ctx, split_heads(ctx, ctx[0], count)))


def _at(ctx: Context, x: Value) -> Value:
    """Heads turned by the places of operand 1."""
    tokens, places = x.tensor.dims[2], ctx[1]
    if places.tensor.rank < 2:
        first = ctx.build(Reshape((1, 1)), places)
        places = ctx.build(Add(), first, ctx.build(Iota(tokens, places.tensor.dtype)))
    return rotate(ctx, x, ctx[2], ctx[3], places, interleaved=bool(ctx.attr("interleaved", 0)))


def rotate(
    ctx: Context, x: Value, cosines: Value, sines: Value, places: Value, *, interleaved: bool
) -> Value:
    """Heads [batch, heads, tokens, size] with their first elements turned.

    `cosines` and `sines` are [places, pairs], `places` [batch or 1, tokens]. The elements of a
    pair are neighbours if `interleaved`, else half of the turned ones apart.
    """
    pairs, size = cosines.tensor.dims[-1], x.tensor.dims[3]
    require(2 * pairs <= size, f"{pairs} pairs of elements of heads of {size}")
    shape = (places.tensor.dims[0], 1, places.tensor.dims[1], pairs)
    cos, sin = (
        ctx.build(Reshape(shape), ctx.build(Gather(0), table, places)) for table in (cosines, sines)
    )
    starts, step = ((0, 1), 2) if interleaved else ((0, pairs), 1)
    a, b = (part(ctx.build, x, 3, start, pairs, step) for start in starts)
    real = ctx.build(Sub(), ctx.build(Mul(), a, cos), ctx.build(Mul(), b, sin))
    imaginary = ctx.build(Add(), ctx.build(Mul(), a, sin), ctx.build(Mul(), b, cos))
    turned = _side_by_side(ctx, real, imaginary, interleaved)
    if 2 * pairs == size:
        return turned
    return ctx.build(Concat(3), turned, part(ctx.build, x, 3, 2 * pairs, size - 2 * pairs))


def _side_by_side(ctx: Context, real: Value, imaginary: Value, interleaved: bool) -> Value:
    if not interleaved:
        return ctx.build(Concat(3), real, imaginary)
    dims = real.tensor.dims
    pair = [ctx.build(Reshape((*dims, 1)), x) for x in (real, imaginary)]
    return ctx.build(Reshape((*dims[:3], 2 * dims[3])), ctx.build(Concat(4), *pair))
