"""Importer of GroupQueryAttention of com.microsoft: heads that share keys, and a cache of them.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.frontends.onnx.attention import (
    attend,
    join_heads,
    plus,
    reach,
    refuse,
    refuse_operands,
    split_heads,
)
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.import_fused import MICROSOFT
from ncc.frontends.onnx.import_rotary import rotate
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add, Div, Mul, Sub
from ncc.ir.ops.compare import Less
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.layer_norm import RMSNorm
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.scalar import limits
from ncc.ir.types import DType

REFUSED = {11: "head_sink", 12: "k_scale", 13: "v_scale"}
"""Operands."""


@dataclass(frozen=True)
class _Lengths:
    """Tokens of the call, places of the cache, and `before`, i64 [batch or 1, 1]: those in use."""

    tokens: int
    places: int
    before: Value
    known: int | None
    """`before`, where it is known."""


@importer("GroupQueryAttention", domain=MICROSOFT)
def group_query_attention(ctx: Context) -> tuple[Value | None, ...]:
    """Operands query, key, value, past of keys, of values, last places, length, and tables."""
    refuse(ctx, "smooth_softmax", "kv_cache_bit_width", "k_quant_type", "v_quant_type")
    refuse(ctx, "sliding_window_cache", "qk_output")
    refuse_operands(ctx, REFUSED)
    query, key, value = _heads(ctx)
    lengths = _lengths(ctx, query)
    if ctx.attr("do_rotary", 0):
        query, key = _rotated(ctx, query, lengths), _rotated(ctx, key, lengths)
    key = _kept(ctx, ctx.operand(3), key, lengths)
    value = _kept(ctx, ctx.operand(4), value, lengths)

    def finish(scores: Value) -> Value:
        dtype = scores.tensor.dtype
        if cap := ctx.attr("softcap", 0.0):
            limit = ctx.const(cap, dtype)
            scores = ctx.build(Mul(), ctx.build(Tanh(), ctx.build(Div(), scores, limit)), limit)
        scores = plus(ctx, scores, _bias(ctx, lengths))
        return ctx.build(Where(), _seen(ctx, lengths), scores, ctx.const(limits(dtype)[0], dtype))

    made = attend(ctx, query, key, value, ctx.attr("scale", 0.0), finish)
    return join_heads(ctx, made), key, value


def _bias(ctx: Context, lengths: _Lengths) -> Value | None:
    """What is added to the scores of every place of the cache."""
    bias = ctx.operand(10)
    if bias is not None and bias.tensor.shape[-1:] != (lengths.places,):
        places = f"{lengths.places} places"
        raise unsupported(
            f"GroupQueryAttention with a bias of {bias.type} for a cache of {places}",
            hint="make the bias as long as the cache",
        )
    return bias


def _heads(ctx: Context) -> tuple[Value, Value, Value]:
    """Queries, keys and values as heads, each normalised if there are weights for it."""
    count, groups, packed = ctx.need_attr("num_heads"), ctx.need_attr("kv_num_heads"), ctx[0]
    if ctx.operand(1) is None:
        size = packed.tensor.dims[2] // (count + 2 * groups)
        bounds = ((0, count), (count, groups), (count + groups, groups))
        given = [part(ctx.build, packed, 2, first * size, n * size) for first, n in bounds]
    else:
        given = [packed, ctx[1], ctx[2]]
    query, key, value = (
        split_heads(ctx, x, n) for x, n in zip(given, (count, groups, groups), strict=True)
    )
    norm = RMSNorm(3, ctx.attr("qk_norm_epsilon", 1e-6))
    if ctx.operand(14) is not None:
        query, key = ctx.build(norm, query, ctx[14]), ctx.build(norm, key, ctx[15])
    return query, key, value


def _lengths(ctx: Context, query: Value) -> _Lengths:
    batch, _, tokens, _ = query.tensor.dims
    total = ctx.number(6)
    if total is None:
        raise unsupported(
            "GroupQueryAttention whose total length is computed at run time",
            hint="bind every size that the attention mask is made of",
        )
    past = ctx.operand(3)
    places = max(int(total), 0 if past is None else past.tensor.dims[2])
    known = 0 if total == tokens else int(total) - tokens if batch == 1 else None
    if known is not None:
        return _Lengths(tokens, places, ctx.const([[known]], DType.i64), known)
    last = ctx.build(Reshape((batch, 1)), ctx.cast(ctx[5], DType.i64))
    before = ctx.build(Sub(), last, ctx.const(tokens - 1, DType.i64))
    return _Lengths(tokens, places, before, None)


def _rotated(ctx: Context, x: Value, lengths: _Lengths) -> Value:
    places = ctx.operand(9)
    if places is None:
        places = ctx.build(Add(), lengths.before, ctx.build(Iota(lengths.tokens, DType.i64)))
    turned = bool(ctx.attr("rotary_interleaved", 0))
    return rotate(ctx, x, ctx[7], ctx[8], places, interleaved=turned)


def _kept(ctx: Context, past: Value | None, new: Value, lengths: _Lengths) -> Value:
    """The cache with the heads of the call behind those in use."""
    if lengths.known is None:
        require(past is not None, "sequences of several lengths need a past")
        assert past is not None
        return _kept_by_sequence(ctx, past, new, lengths)
    if past is not None and lengths.known:
        new = ctx.build(Concat(2), part(ctx.build, past, 2, 0, lengths.known), new)
    return _filled(ctx, new, lengths.places)


def _filled(ctx: Context, x: Value, places: int) -> Value:
    """Heads with zeros for the places behind them."""
    free = places - x.tensor.dims[2]
    return ctx.build(Pad((0,) * 4, (0, 0, free, 0), 0.0), x) if free else x


def _kept_by_sequence(ctx: Context, past: Value, new: Value, lengths: _Lengths) -> Value:
    """As `_kept`, where each sequence of the batch has a length of its own."""
    batch, heads, tokens, size = new.tensor.dims
    own = ctx.build(Sub(), ctx.build(Iota(lengths.places, DType.i64)), lengths.before)
    none, last = ctx.const(0, DType.i64), ctx.const(tokens - 1, DType.i64)
    index = ctx.build(Min(), ctx.build(Max(), own, none), last)
    first = ctx.build(Reshape((batch, 1)), ctx.build(Iota(batch, DType.i64)))
    first = ctx.build(Mul(), first, ctx.const(tokens, DType.i64))
    rows = ctx.build(Reshape((batch * tokens, heads, size)), _tokens_first(ctx, new))
    found = _tokens_first(ctx, ctx.build(Gather(0), rows, ctx.build(Add(), first, index)))
    column = Reshape((batch, 1, lengths.places, 1))
    free = ctx.build(column, ctx.build(Less(), last, own))
    used = ctx.build(column, ctx.build(Less(), own, none))
    found = ctx.build(Where(), free, ctx.const(0, new.tensor.dtype), found)
    return ctx.build(Where(), used, _filled(ctx, past, lengths.places), found)


def _tokens_first(ctx: Context, x: Value) -> Value:
    """The second and the third of four axes exchanged."""
    return ctx.build(Transpose((0, 2, 1, 3)), x)


def _seen(ctx: Context, lengths: _Lengths) -> Value:
    """Which keys each query sees: bool [batch or 1, 1, tokens, places]."""
    before = ctx.build(Reshape((lengths.before.tensor.dims[0], 1, 1, 1)), lengths.before)
    if not ctx.attr("causal", 1):
        before = ctx.build(Add(), before, ctx.const(lengths.tokens - 1, DType.i64))
        return reach(ctx, 1, lengths.places, before)
    return reach(ctx, lengths.tokens, lengths.places, before, ctx.attr("local_window_size", -1))
