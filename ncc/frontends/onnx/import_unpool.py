"""Importers of ops that spread what others have gathered: MaxUnpool and Col2Im."""

from __future__ import annotations

import math

import numpy as np

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.frontends.onnx.window import explicit_pads, reaches, spatial
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.scatter import ScatterElements


@importer("MaxUnpool")
def max_unpool(ctx: Context) -> Value:
    """Each element goes back to the index that MaxPool gave for it; zeros elsewhere.

    Indices count in the size that the window gives; a larger `output_shape` adds zeros after it.
    """
    sizes = ctx.type(0).dims[2:]
    rank = len(sizes)
    strides, kernel = spatial(ctx, "strides", rank), spatial(ctx, "kernel_shape", rank)
    low, high = explicit_pads(ctx, rank)
    rows = zip(sizes, strides, kernel, low, high, strict=True)
    spread_sizes = ((size - 1) * by + k - a - b for size, by, k, a, b in rows)
    whole = (*ctx.type(0).dims[:2], *spread_sizes)
    require(min(whole) >= 0, f"padding cuts more than there is of {ctx.type(0)}")
    count = math.prod(whole)
    zeros = ctx.build(BroadcastTo((count,)), ctx.const([0], ctx.type(0).dtype))
    line = Reshape((ctx.type(0).size,))
    spread = ctx.build(ScatterElements(0), zeros, ctx.build(line, ctx[1]), ctx.build(line, ctx[0]))
    made = ctx.build(Reshape(whole), spread)
    wanted = ctx.integers(2) or list(whole)
    require(len(wanted) == len(whole), f"output_shape {wanted} for {len(whole)} axes")
    missing = tuple(size - had for size, had in zip(wanted, whole, strict=True))
    require(min(missing) >= 0, f"output_shape {wanted} is smaller than {list(whole)}")
    return ctx.build(Pad((0,) * len(whole), missing), made) if any(missing) else made


@importer("Col2Im")
def col2im(ctx: Context) -> Value:
    """Blocks [N, C * block, count] added up where they overlap: [N, C, *image].

    A transposed convolution in which tap k of channel c takes row c * block + k.
    """
    image, block = (ctx.need_constant(index, "sizes").ravel().tolist() for index in (1, 2))
    rank, taps = len(block), math.prod(block)
    require(len(image) == rank, f"a block of {rank} axes and a picture of {len(image)}")
    strides, dilations = spatial(ctx, "strides", rank), spatial(ctx, "dilations", rank)
    low, high = explicit_pads(ctx, rank)
    padded = map(sum, zip(image, low, high, strict=True))
    room = [n - span for n, span in zip(padded, reaches(tuple(block), dilations), strict=True)]
    fits = [free // by + 1 for free, by in zip(room, strides, strict=True)]
    left = tuple(free % by for free, by in zip(room, strides, strict=True))
    require(ctx.type(0).rank == 3, f"{ctx.type(0)} is not [N, C * block, blocks]", operand=0)
    n, depth, count = ctx.type(0).dims
    require(math.prod(fits) == count and depth % taps == 0, f"{ctx.type(0)} for blocks {block}")
    blocks = ctx.build(Reshape((n, depth, *fits)), ctx[0])
    eye = ctx.const(np.eye(taps).reshape(1, taps, 1, *block), ctx.type(0).dtype)
    repeated = ctx.build(BroadcastTo((depth // taps, taps, 1, *block)), eye)
    filters = ctx.build(Reshape((depth, 1, *block)), repeated)
    op = ConvTranspose(strides, low, high, dilations, left, depth // taps)
    return ctx.build(op, blocks, filters)
