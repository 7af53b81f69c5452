"""Importers of Fourier transforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting, part
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
    order = [index for index in range(last) if index != axis] + [axis, last]
    made = _transform(ctx, ctx.build(Transpose(tuple(order)), x))
    back = tuple(order.index(index) for index in range(rank))
    return ctx.build(Transpose(back), made)


def _transform(ctx: Context, x: Value) -> Value:
    """The transform of x [..., n, parts] along n."""
    n = x.tensor.dims[-2]
    onesided, inverse = bool(ctx.attr("onesided", 0)), bool(ctx.attr("inverse", 0))
    whole = 2 * (n - 1) if onesided and inverse else n
    length = whole if ctx.operand(1) is None else int(ctx.need_constant(1, "the length").item())
    if onesided and inverse:
        return _real_of_half(ctx, x, length)
    return ctx.build(Dft(length, onesided, inverse), x)


def _real_of_half(ctx: Context, x: Value, length: int) -> Value:
    """The real numbers [..., length, 1] whose first bins are x: bins that have a mirror image
    count twice, then the real parts are those of an inverse transform of x alone.
    """
    last = x.tensor.rank - 1
    half = part(ctx.build, x, last - 1, 0, min(x.tensor.dims[-2], length // 2 + 1))
    bins = np.arange(half.tensor.dims[-2])
    count = np.where((bins == 0) | (2 * bins == length), 1, 2)[:, None]
    twice = ctx.build(Mul(), half, ctx.const(count, x.tensor.dtype))
    return part(ctx.build, ctx.build(Dft(length, inverse=True), twice), last, 0, 1)


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


@importer("MelWeightMatrix")
def mel_weight_matrix(ctx: Context) -> Value:
    """A filter bank [bins of the spectrum, mel bins] of triangles from bin to bin.

    https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html; the operands are constants.
    """
    names = ("the number of bins", "the length", "the sample rate", "a frequency", "a frequency")
    count, length, rate, low, high = (
        ctx.need_constant(index, name).item() for index, name in enumerate(names)
    )
    require(count > 0 and length > 0 and rate > 0, "a filter bank of nothing")
    edges = _mel_edges(count, low, high) * (length + 1) // rate
    require(edges[0] >= 0 and edges[-1] <= length // 2, "a frequency that the spectrum has not")
    table = np.stack([_triangle(length // 2 + 1, *edges[i : i + 3]) for i in range(count)], 1)
    dtype = ctx.attr_dtype("output_datatype", DType.f32)
    proto = numpy_helper.from_array(table.astype(dtype.numpy))
    return ctx.scope.tensor(proto, ctx.node.output[0])


def _mel_edges(count: int, low: float, high: float) -> npt.NDArray[np.float64]:
    """The frequencies in Hz where `count` filters begin, peak and end, even steps in mel."""
    first, last = (2595 * np.log10(1 + hertz / 700) for hertz in (low, high))
    mel = first + np.arange(count + 2) * ((last - first) / (count + 2))
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def _triangle(bins: int, begin: float, peak: float, end: float) -> npt.NDArray[np.float64]:
    """One filter: up from `begin` to 1 at `peak` and down to 0 at `end`."""
    places = np.arange(bins)
    up = (places - begin) / (peak - begin) if peak > begin else places == peak
    down = (end - places) / (end - peak) if end > peak else places <= peak
    return np.where(places <= peak, np.where(places >= begin, up, 0), np.clip(down, 0, None))
