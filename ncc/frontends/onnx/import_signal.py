"""Importers of Fourier transforms."""

from __future__ import annotations

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.dft import Dft
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType


@importer("DFT")
def dft_along_attribute(ctx: Context) -> Value:
    return _dft(ctx, ctx.attr("axis", 1))


@importer("DFT", since=20)
def dft(ctx: Context) -> Value:
    """The axis is operand 2."""
    axis = -2 if ctx.operand(2) is None else ctx.need_constant(2, "the axis").item()
    return _dft(ctx, axis)


def _dft(ctx: Context, axis: int) -> Value:
    """The transform along an axis, which is brought beside the last and back."""
    x, rank = ctx[0], ctx.type(0).rank
    axis, last = axis_of(axis, rank), rank - 1
    require(axis != last, f"the last axis of {x.type} holds the parts of a number", operand=0)
    if ctx.attr("inverse", 0) and ctx.attr("onesided", 0):
        raise unsupported("an inverse DFT of one half of the bins")
    given = ctx.operand(1)
    length = x.tensor.dims[axis] if given is None else ctx.need_constant(1, "the length").item()
    order = [index for index in range(last) if index != axis] + [axis, last]
    op = Dft(int(length), bool(ctx.attr("onesided", 0)), bool(ctx.attr("inverse", 0)))
    made = ctx.build(op, ctx.build(Transpose(tuple(order)), x))
    back = tuple(order.index(index) for index in range(rank))
    return ctx.build(Transpose(back), made)


@importer("STFT")
def stft(ctx: Context) -> Value:
    """Frames of the signal [batch, samples, parts], each times the window, then transformed."""
    batch, samples, parts = ctx.type(0).dims if ctx.type(0).rank == 3 else (*ctx.type(0).dims, 1)
    step = int(ctx.need_constant(1, "the step").item())
    window = ctx.operand(2)
    size = ctx.number(3) if window is None else window.tensor.dims[0]
    if size is None:
        raise unsupported("STFT with neither a window nor the length of a frame")
    count = (samples - int(size)) // step + 1
    starts = ctx.build(
        Mul(), counting(ctx.build, 2, 0, count, DType.i64), ctx.const(step, DType.i64)
    )
    places = ctx.build(Add(), starts, counting(ctx.build, 2, 1, int(size), DType.i64))
    signal = ctx.build(Reshape((batch, samples, parts)), ctx[0])
    frames = ctx.build(Gather(1), signal, places)
    if window is not None:
        frames = ctx.build(Mul(), frames, ctx.build(Reshape((int(size), 1)), window))
    return ctx.build(Dft(int(size), bool(ctx.attr("onesided", 1))), frames)
