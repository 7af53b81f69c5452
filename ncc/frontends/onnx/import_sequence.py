"""Importers of sequences whose length is known: nothing of them is left after import."""

from __future__ import annotations

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.listed import Listed
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import part
from ncc.ir.op import require, unsupported
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType


@importer("SequenceEmpty")
def sequence_empty(ctx: Context) -> Value:
    return Listed((), ctx.attr_dtype("dtype", DType.f32))


@importer("SequenceConstruct")
def sequence_construct(ctx: Context) -> Value:
    return Listed(ctx[index] for index in range(len(ctx.operands)))


@importer("SequenceInsert")
def sequence_insert(ctx: Context) -> Value:
    """At the end if the node gives no position; before the last one at -1."""
    items = _items(ctx)
    place = len(items) if ctx.operand(2) is None else _place(ctx, 2, len(items), end=True)
    return Listed((*items[:place], ctx[1], *items[place:]))


@importer("SequenceErase")
def sequence_erase(ctx: Context) -> Value:
    """The last one if the node gives no position."""
    items = _items(ctx)
    place = len(items) - 1 if ctx.operand(1) is None else _place(ctx, 1, len(items))
    require(bool(items), "nothing can be taken from an empty sequence")
    return Listed((*items[:place], *items[place + 1 :]), items[0].tensor.dtype)


@importer("SequenceAt")
def sequence_at(ctx: Context) -> Value:
    items = _items(ctx)
    return items[_place(ctx, 1, len(items))]


@importer("SequenceLength")
def sequence_length(ctx: Context) -> Value:
    return ctx.const(len(_items(ctx)), DType.i64)


@importer("ConcatFromSequence")
def concat_from_sequence(ctx: Context) -> Value:
    """Side by side along an axis, or along a new one."""
    items, new = _items(ctx), ctx.attr("new_axis", 0)
    require(bool(items), "an empty sequence has no tensors to join")
    rank = items[0].tensor.rank
    axis = axis_of(ctx.need_attr("axis"), rank + bool(new))
    if new:
        shape = items[0].tensor.shape
        items = tuple(ctx.build(Reshape((*shape[:axis], 1, *shape[axis:])), x) for x in items)
    return ctx.build(Concat(axis), *items)


@importer("SplitToSequence")
def split_to_sequence(ctx: Context) -> Value:
    """Parts of given sizes, or of one size but for the last, or single ones."""
    x = ctx.type(0)
    axis = axis_of(ctx.attr("axis", 0), x.rank)
    whole = x.shape[axis]
    if not isinstance(whole, int):
        raise unsupported(f"SplitToSequence of {x}, whose parts the data counts")
    alone = ctx.operand(1) is None
    sizes = [1] * whole if alone else _sizes(ctx, whole)
    ends = np.cumsum([0, *sizes]).tolist()
    pairs = zip(ends, sizes, strict=False)
    parts = [part(ctx.build, ctx[0], axis, start, size) for start, size in pairs]
    if alone and not ctx.attr("keepdims", 1):
        dropped = Reshape((*x.shape[:axis], *x.shape[axis + 1 :]))
        parts = [ctx.build(dropped, item) for item in parts]
    return Listed(parts, x.dtype)


def _sizes(ctx: Context, whole: int) -> list[int]:
    """The sizes of parts of an axis of `whole`, from operand 1: a list, or one for all."""
    given = ctx.need_constant(1, "split")
    require(given.ndim <= 1, f"sizes of parts in a table {ctx.type(1)}", operand=1)
    if given.ndim:
        sizes: list[int] = given.tolist()
    else:
        each = int(given)
        require(each > 0, f"parts of size {each}", operand=1)
        sizes = [min(each, whole - start) for start in range(0, whole, each)]
    require(
        sum(sizes) == whole and min(sizes, default=0) >= 0,
        f"{ctx.type(0)} split into parts of {sizes}",
        operand=0,
    )
    return sizes


def _items(ctx: Context) -> tuple[Value, ...]:
    """The items of operand 0."""
    if not isinstance(ctx[0], Listed):
        raise NccError("invalid-model", f"{ctx.node.op_type} needs a sequence, not {ctx[0].type}")
    return ctx[0].items


def _place(ctx: Context, index: int, count: int, *, end: bool = False) -> int:
    """The position that operand `index` names, one of `count`; negative ones are from the end.

    With `end`, the place behind the last one is a position too.
    """
    given = ctx.need_constant(index, "position")
    require(given.size == 1, f"{ctx.type(index)} is not one position", operand=index)
    place = int(given.item())
    require(
        -count <= place < count + end,
        f"position {place} of a sequence of {count}",
        operand=index,
    )
    return place + count if place < 0 else place
