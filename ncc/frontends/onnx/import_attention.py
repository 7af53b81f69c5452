"""Importers of Attention and MultiHeadAttention of com.microsoft, as ONNX Runtime computes them.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

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
from ncc.frontends.onnx.import_matmul import matmul_of_any_rank
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.compare import Greater, GreaterEqual, Less
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.logic import And
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.scalar import limits
from ncc.ir.types import DType

MASKED = -10000.0
"""What is added to masked scores when the node does not say."""
PER_SEQUENCE = 3
"""Q, K and V."""


@importer("Attention", domain=MICROSOFT)
def attention(ctx: Context) -> tuple[Value | None, ...]:
    """Operands x, weights of all projections, their bias, mask, past of keys and values, bias."""
    projected = plus(ctx, matmul_of_any_rank(ctx, ctx[0], ctx[1]), ctx.operand(2))
    return attend_to_itself(ctx, projected, ctx.operand(3), ctx.operand(4), ctx.operand(5))


def attend_to_itself(
    ctx: Context,
    projected: Value,
    mask: Value | None,
    past: Value | None,
    bias: Value | None = None,
) -> tuple[Value | None, ...]:
    """The attention of a sequence to itself, and keys with values if the node names them.

    `projected` is [batch, tokens, queries and keys and values], `past` [2, batch, heads, tokens,
    size], `bias` what is added to scores; for masks see `_padding`. A mask of one column, which
    decoders have for a place, hides nothing.
    """
    refuse(ctx, "do_rotary", "past_present_share_buffer")
    require(projected.tensor.rank == 3, f"{ctx.type(0)} is not [batch, tokens, numbers]")
    count = ctx.need_attr("num_heads")
    widths = ctx.attr("qkv_hidden_sizes") or (projected.tensor.dims[2] // PER_SEQUENCE,) * 3
    query, *rest = (split_heads(ctx, x, count) for x in _columns(ctx, projected, widths))
    if past is not None:
        require(past.tensor.shape[:1] == (2,), f"a past of {past.type} is not keys and values")
        shape = past.tensor.dims[1:]
        sides = [ctx.build(Reshape(shape), part(ctx.build, past, 0, side, 1)) for side in (0, 1)]
        rest = [ctx.build(Concat(2), *pair) for pair in zip(sides, rest, strict=True)]
    key, value = rest
    is_place = mask is not None and mask.tensor.rank == 2 and mask.tensor.dims[1] == 1
    made = _attended(ctx, query, key, value, None if is_place else mask, bias)
    if not ctx.wants(1):
        return (made,)
    shape = (1, *key.tensor.dims)
    return made, ctx.build(Concat(0), *(ctx.build(Reshape(shape), x) for x in (key, value)))


@importer("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(ctx: Context) -> tuple[Value | None, ...]:
    """Operands query, key, value, bias of all three, padding, bias, past of keys, of values."""
    refuse_operands(ctx, {8: "past_sequence_length", 9: "cache_indirection"})
    if ctx.operand(1) is None or ctx.operand(2) is None or ctx.wants(3):
        raise unsupported(
            "MultiHeadAttention with packed queries, or whose weights are a result",
            hint="export it with operands query, key and value",
        )
    count, given = ctx.need_attr("num_heads"), [ctx[0], ctx[1], ctx[2]]
    if (bias := ctx.operand(3)) is not None:
        given = _biased(ctx, given, bias)
    query, key, value = (x if x.tensor.rank == 4 else split_heads(ctx, x, count) for x in given)
    past_key, past_value = ctx.operand(6), ctx.operand(7)
    if past_key is not None and past_value is not None:
        key = ctx.build(Concat(2), past_key, key)
        value = ctx.build(Concat(2), past_value, value)
    made = _attended(ctx, query, key, value, ctx.operand(4), ctx.operand(5))
    return made, key if ctx.wants(1) else None, value if ctx.wants(2) else None


def _columns(ctx: Context, x: Value, widths: tuple[int, ...]) -> list[Value]:
    """The last axis of `x` cut into parts of `widths`."""
    whole, axis = x.tensor.dims[-1], x.tensor.rank - 1
    require(len(widths) == 3 and sum(widths) == whole, f"{whole} columns as {list(widths)}")
    starts = (0, widths[0], widths[0] + widths[1])
    pairs = zip(starts, widths, strict=True)
    return [part(ctx.build, x, axis, start, width) for start, width in pairs]


def _biased(ctx: Context, given: list[Value], bias: Value) -> list[Value]:
    """Each of three with its part of the bias; keys and values that are heads have theirs."""
    width = given[0].tensor.dims[-1]
    parts = _columns(ctx, bias, (width, width, bias.tensor.dims[-1] - 2 * width))
    return [
        ctx.build(Add(), x, more) if x.tensor.rank == 3 else x
        for x, more in zip(given, parts, strict=True)
    ]


def _attended(
    ctx: Context, query: Value, key: Value, value: Value, mask: Value | None, bias: Value | None
) -> Value:
    """The attention of heads as [batch, tokens, heads * size]."""
    rows, keys = query.tensor.dims[2], key.tensor.dims[2]
    hidden = None if mask is None else _padding(ctx, mask, query.tensor.dims[0], keys)

    def finish(scores: Value) -> Value:
        dtype = scores.tensor.dtype
        if hidden is not None:
            scores = ctx.build(Add(), scores, ctx.cast(hidden, dtype))
        if ctx.attr("unidirectional", 0):
            seen = reach(ctx, rows, keys, ctx.const(keys - rows, DType.i64))
            scores = ctx.build(Where(), seen, scores, ctx.const(limits(dtype)[0], dtype))
        return plus(ctx, scores, bias)

    return join_heads(ctx, attend(ctx, query, key, value, ctx.attr("scale", 0.0), finish))


def _padding(ctx: Context, mask: Value, batch: int, keys: int) -> Value:
    """What a mask adds to scores, f32 [batch, 1, 1 or queries, keys].

    The mask has a number above 0 for each key that is seen, [batch, keys] or [batch, queries,
    keys]; or where the keys of each sequence end, [batch], and then where they begin.
    """
    dims = mask.tensor.dims
    if mask.tensor.rank in (2, 3) and dims[-1] == keys:
        seen = ctx.build(Greater(), mask, ctx.const(0, mask.tensor.dtype))
        shape = (dims[0], 1, dims[1] if len(dims) == 3 else 1, keys)
        seen = ctx.build(Reshape(shape), seen)
    elif dims in ((batch,), (2 * batch,)):
        seen = _between(ctx, mask, batch, keys)
    else:
        raise unsupported(f"{ctx.node.op_type} of {keys} keys with a mask {mask.type}")
    filtered = ctx.const(ctx.attr("mask_filter_value", MASKED), DType.f32)
    return ctx.build(Where(), seen, ctx.const(0, DType.f32), filtered)


def _between(ctx: Context, bounds: Value, batch: int, keys: int) -> Value:
    """Which keys lie before their end, and not before their begin: bool [batch, 1, 1, keys]."""
    place, column = ctx.build(Iota(keys, bounds.tensor.dtype)), Reshape((batch, 1, 1, 1))
    ends = ctx.build(column, part(ctx.build, bounds, 0, 0, batch))
    seen = ctx.build(Less(), place, ends)
    if bounds.tensor.dims[0] == batch:
        return seen
    begins = ctx.build(column, part(ctx.build, bounds, 0, batch, batch))
    return ctx.build(And(), seen, ctx.build(GreaterEqual(), place, begins))
