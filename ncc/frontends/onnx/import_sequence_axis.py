"""Importers of ops that treat each sample of a batch at its own position along time."""

from __future__ import annotations

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting, weighted_sum
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import GreaterEqual, Less, LessEqual
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.gather_elements import GatherElements
from ncc.ir.ops.logic import And
from ncc.ir.ops.remainder import Mod
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@importer("ReverseSequence")
def reverse_sequence(ctx: Context) -> Value:
    """The first `sequence_lens[b]` time steps of sample b in reverse order, then the others."""
    batch, time = ctx.attr("batch_axis", 1), ctx.attr("time_axis", 0)
    dims = ctx.type(0).dims
    require(len(dims) >= 2, f"{ctx.type(0)} has no axes of batch and time", operand=0)
    require({batch, time} == {0, 1}, f"batch axis {batch} and time axis {time} are not 0 and 1")
    shape = [1, 1]
    shape[batch] = dims[batch]
    lengths = ctx.build(Reshape(tuple(shape)), ctx.build(Cast(DType.i64), ctx[1]))
    step = counting(ctx.build, 2, time, dims[time], DType.i64)
    mirrored = ctx.build(Sub(), lengths, ctx.build(Add(), step, ctx.const(1, DType.i64)))
    taken = ctx.build(Where(), ctx.build(Less(), step, lengths), mirrored, step)
    sample = counting(ctx.build, 2, batch, dims[batch], DType.i64)
    stride = (dims[1], 1)
    rows = ctx.build(Reshape((dims[0] * dims[1], *dims[2:])), ctx[0])
    where = weighted_sum(ctx.build, [(taken, stride[time]), (sample, stride[batch])], DType.i64)
    return ctx.build(Gather(0), rows, where)


@importer("TensorScatter")
def tensor_scatter(ctx: Context) -> Value:
    """Operand 0 with the update from position `write_indices[b]` of `axis` on, in sample b."""
    cache, update = ctx.type(0).dims, ctx.type(1).dims
    rank = len(cache)
    require(len(update) == rank, f"an update {ctx.type(1)} of {ctx.type(0)}", operand=1)
    axis = axis_of(ctx.attr("axis", -2), rank)
    step = counting(ctx.build, rank, axis, cache[axis], DType.i64)
    if ctx.operand(2) is not None:
        first = ctx.build(Reshape((cache[0], *(1,) * (rank - 1))), ctx[2])
        step = ctx.build(Sub(), step, ctx.build(Cast(DType.i64), first))
    if ctx.attr("mode", "linear") == "circular":
        step = ctx.build(Mod(), step, ctx.const(cache[axis], DType.i64))
    zero, last = ctx.const(0, DType.i64), ctx.const(update[axis] - 1, DType.i64)
    written = ctx.build(
        And(),
        ctx.build(GreaterEqual(), step, zero),
        ctx.build(LessEqual(), step, last),
    )
    inside = ctx.build(Min(), ctx.build(Max(), step, zero), last)
    places = ctx.build(BroadcastTo(cache), inside)
    moved = ctx.build(GatherElements(axis), ctx[1], places)
    return ctx.build(Where(), written, moved, ctx[0])
