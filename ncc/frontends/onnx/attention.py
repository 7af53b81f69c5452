"""Scaled products of queries and keys as graphs of smaller ops, for every kind of attention.

Heads are [batch, heads, tokens, size of a head]; scores [batch, heads, queries, keys].
"""

from __future__ import annotations

from collections.abc import Callable

from ncc.frontends.onnx.context import Context
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.compare import Greater, LessEqual
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.logic import And
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.softmax import Softmax
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

HEADS_OUT = (0, 2, 1, 3)


def refuse(ctx: Context, *attributes: str) -> None:
    """Refuse a node with one of `attributes` set."""
    for name in attributes:
        if ctx.attr(name, 0) not in (0, "NONE"):
            raise unsupported(f"{ctx.node.op_type} with {name} = {ctx.attr(name)}")


def refuse_operands(ctx: Context, names: dict[int, str]) -> None:
    """Refuse a node with one of the operands `names`."""
    for index, name in names.items():
        if ctx.operand(index) is not None:
            raise unsupported(f"{ctx.node.op_type} with {name}")


def split_heads(ctx: Context, x: Value, count: int) -> Value:
    """[batch, tokens, count * size] as heads."""
    require(
        x.tensor.rank == 3 and count > 0 and x.tensor.dims[2] % count == 0,
        f"{x.type} is not [batch, tokens, {count} heads of one size]",
    )
    batch, tokens, width = x.tensor.dims
    split = ctx.build(Reshape((batch, tokens, count, width // count)), x)
    return ctx.build(Transpose(HEADS_OUT), split)


def join_heads(ctx: Context, x: Value) -> Value:
    """Heads as [batch, tokens, heads * size]."""
    batch, heads, tokens, size = x.tensor.dims
    return ctx.build(Reshape((batch, tokens, heads * size)), ctx.build(Transpose(HEADS_OUT), x))


def attend(
    ctx: Context,
    queries: Value,
    keys: Value,
    values: Value,
    scale: float,
    finish: Callable[[Value], Value],
) -> Value:
    """softmax(finish(scale * queries @ keys)) @ values, all as heads.

    Queries may have more heads than keys and values, of which each then serves several in a row.
    A scale of 0 is 1 / sqrt(size of a head).
    """
    batch, heads, rows, size = queries.tensor.dims
    groups, tokens = keys.tensor.dims[1:3]
    require(groups > 0 and heads % groups == 0, f"{heads} heads share {groups} of keys")
    factor = ctx.const(scale or size**-0.5, queries.tensor.dtype)
    scaled = ctx.build(Mul(), queries, factor)
    if heads != groups:
        scaled = ctx.build(Reshape((batch, groups, heads // groups, rows, size)), scaled)
        keys, values = (
            ctx.build(Reshape((batch, groups, 1, tokens, x.tensor.dims[3])), x)
            for x in (keys, values)
        )
    rank = scaled.tensor.rank
    across = Transpose((*range(rank - 2), rank - 1, rank - 2))
    scores = ctx.build(MatMul(), scaled, ctx.build(across, keys))
    finished = finish(ctx.build(Reshape((batch, heads, rows, tokens)), scores))
    weights = ctx.build(Reshape(scores.tensor.shape), ctx.build(Softmax(3), finished))
    made = ctx.build(MatMul(), weights, values)
    return ctx.build(Reshape((batch, heads, rows, values.tensor.dims[-1])), made)


def plus(ctx: Context, scores: Value, more: Value | None) -> Value:
    """`scores` with what is added to them, if anything."""
    return scores if more is None else ctx.build(Add(), scores, more)


def reach(ctx: Context, queries: int, keys: int, before: Value, window: int = -1) -> Value:
    """Which keys each query sees: bool [..., queries, keys].

    `before` [..., 1, 1] is the place of the first query among the keys. A query sees the keys up
    to its own place, with a `window` that many of them.
    """
    places = ctx.build(Reshape((queries, 1)), ctx.build(Iota(queries, DType.i64)))
    own = ctx.build(Add(), before, places)
    key = ctx.build(Iota(keys, DType.i64))
    seen = ctx.build(LessEqual(), key, own)
    if window < 0:
        return seen
    last = ctx.build(Sub(), own, ctx.const(window, DType.i64))
    return ctx.build(And(), seen, ctx.build(Greater(), key, last))
