"""Importers of ops that rename, move or ask for axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ncc.frontends.onnx.axes import axes_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import broadcast, require, unsupported
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.dynamic_axes import DynamicSqueeze, DynamicUnsqueeze
from ncc.ir.ops.dynamic_reshape import DynamicBroadcastTo, DynamicReshape
from ncc.ir.ops.reduce import ReduceProd
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.shape import ShapeOf
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import UNKNOWN, Dim, DType, Shape


@importer("Reshape")
def reshape(ctx: Context) -> Value:
    """0 keeps an axis (unless `allowzero`), -1 is what is left."""
    wanted, allow_zero = ctx.integers(1), bool(ctx.attr("allowzero", 0))
    shape = None if wanted is None else _resolved(ctx.type(0).shape, wanted, allow_zero)
    if shape is None:
        return ctx.build(DynamicReshape(allow_zero), ctx[0], ctx[1])
    return ctx.build(Reshape(shape), ctx[0])


def _resolved(x: Shape, wanted: Sequence[int], allow_zero: bool) -> Shape | None:
    """The sizes that `wanted` means; None when more than one of them stays unknown."""
    require(list(wanted).count(-1) <= 1, f"shape {list(wanted)} leaves more than one size open")
    shape: list[Dim] = []
    for axis, size in enumerate(wanted):
        keeps = size == 0 and not allow_zero
        require(size >= -1 and (not keeps or axis < len(x)), f"shape {list(wanted)} of {list(x)}")
        shape.append(x[axis] if keeps else UNKNOWN if size == -1 else size)
    if -1 in wanted and all(isinstance(dim, int) for dim in x):
        known = math.prod(dim for dim in shape if isinstance(dim, int))
        total = math.prod(dim for dim in x if isinstance(dim, int))
        require(known and total % known == 0, f"cannot reshape {list(x)} to {list(wanted)}")
        shape[list(wanted).index(-1)] = total // known
    return tuple(shape) if shape.count(UNKNOWN) <= 1 else None


@importer("Flatten")
def flatten(ctx: Context) -> Value:
    """Two axes: what is before `axis` and what is from it on."""
    shape = ctx.type(0).shape
    axis = ctx.attr("axis", 1)
    require(-len(shape) <= axis <= len(shape), f"axis {axis} of {ctx.type(0)}")
    axis = axis + len(shape) if axis < 0 else axis
    parts = _product(shape[:axis]), _product(shape[axis:])
    if parts == (UNKNOWN, UNKNOWN):
        raise unsupported("Flatten of a tensor with two sizes that the data decides")
    return ctx.build(Reshape(parts), ctx[0])


def _product(shape: Shape) -> Dim:
    known = [dim for dim in shape if isinstance(dim, int)]
    return math.prod(known) if len(known) == len(shape) else UNKNOWN


@importer("Squeeze")
def squeeze(ctx: Context) -> Value:
    """Without axes, every axis of size 1 goes."""
    shape, given = ctx.type(0).shape, _axes(ctx)
    if isinstance(given, Value):
        return ctx.build(DynamicSqueeze(), ctx[0], given)
    if given is None and UNKNOWN in shape:
        raise unsupported(f"Squeeze of {ctx.type(0)} without axes: the data decides which go")
    ones = [axis for axis, dim in enumerate(shape) if dim == 1]
    gone = ones if given is None else axes_of(given, len(shape))
    wrong = [axis for axis in gone if shape[axis] not in {1, UNKNOWN}]
    require(not wrong, f"axes {wrong} of {ctx.type(0)} have other sizes than 1", operand=0)
    kept = tuple(dim for axis, dim in enumerate(shape) if axis not in gone)
    if kept.count(UNKNOWN) > 1:
        return ctx.build(DynamicSqueeze(), ctx[0], ctx.const(gone, DType.i64))
    return ctx.build(Reshape(kept), ctx[0])


@importer("Unsqueeze")
def unsqueeze(ctx: Context) -> Value:
    x, given = ctx.type(0), _axes(ctx)
    if isinstance(given, Value):
        return ctx.build(DynamicUnsqueeze(), ctx[0], given)
    new = axes_of(given or (), x.rank + len(given or ()))
    if x.shape.count(UNKNOWN) > 1:
        return ctx.build(DynamicUnsqueeze(), ctx[0], ctx.const(new, DType.i64))
    old = iter(x.shape)
    shape = (1 if axis in new else next(old) for axis in range(x.rank + len(new)))
    return ctx.build(Reshape(tuple(shape)), ctx[0])


def _axes(ctx: Context) -> Sequence[int] | Value | None:
    """The axes of Squeeze and Unsqueeze: an attribute before opset 13, an operand since."""
    given = ctx.operand(1)
    if given is None:
        axes: Sequence[int] | None = ctx.attr("axes")
        return axes
    known = ctx.constant(1)
    return given if known is None else [int(axis) for axis in known.ravel()]


@importer("Transpose")
def transpose(ctx: Context) -> Value:
    """Without `perm` the axes are reversed."""
    rank = ctx.type(0).rank
    return ctx.build(Transpose(tuple(ctx.attr("perm", tuple(reversed(range(rank)))))), ctx[0])


@importer("Expand")
def expand(ctx: Context) -> Value:
    """Broadcasts both ways: a wanted size of 1 keeps the operand's."""
    wanted = ctx.integers(1)
    if wanted is None:
        return ctx.build(DynamicBroadcastTo(), ctx[0], ctx[1])
    require(min(wanted, default=0) >= 0, f"{ctx.type(0)} expanded to {wanted}", operand=0)
    shape = broadcast(ctx.type(0).shape, tuple(wanted))
    return ctx.build(BroadcastTo(shape), ctx[0])


@importer("Shape")
def shape_of(ctx: Context) -> Value:
    """The sizes from axis `start` to before axis `end`, both moved into the operand's axes."""
    x = ctx.type(0)
    start, end, _ = slice(ctx.attr("start", 0), ctx.attr("end")).indices(x.rank)
    count = max(end - start, 0)
    known = [dim for dim in x.shape[start : start + count] if isinstance(dim, int)]
    if len(known) == count:
        return ctx.const(np.array(known, np.int64))
    return ctx.build(Slice((start,), (count,), (1,)), ctx.build(ShapeOf(), ctx[0]))


@importer("Size")
def size_of(ctx: Context) -> Value:
    if ctx.type(0).is_static:
        return ctx.const(ctx.type(0).size, DType.i64)
    return ctx.build(ReduceProd((0,), keepdims=False), ctx.build(ShapeOf(), ctx[0]))


@importer("Identity")
def identity(ctx: Context) -> Value:
    return ctx[0]


@importer("Dropout")
def dropout(ctx: Context) -> tuple[Value, ...]:
    """The operand itself, as in inference; the mask, if wanted, keeps everything."""
    training = ctx.number(2)
    if ctx.operand(2) is not None and (training is None or training):
        raise unsupported(
            "Dropout in training mode",
            hint="export the model for inference (model.eval() in PyTorch)",
        )
    if not ctx.wants(1):
        return (ctx[0],)
    kept = DType.bool if ctx.opset >= 10 else ctx.type(0).dtype
    return ctx[0], ctx.build(BroadcastTo(ctx.type(0).shape), ctx.const(1, kept))


@importer("DepthToSpace")
def depth_to_space(ctx: Context) -> Value:
    """Channels become squares of pixels; DCR counts squares outside of channels, CRD inside."""
    size = ctx.need_attr("blocksize")
    n, depth, height, width = _image(ctx)
    require(
        size > 0 and depth % size**2 == 0, f"{depth} channels are not squares of {size} x {size}"
    )
    channels = depth // size**2
    if ctx.attr("mode", "DCR") == "DCR":
        split, perm = (n, size, size, channels, height, width), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (n, channels, size, size, height, width), (0, 1, 4, 2, 5, 3)
    moved = ctx.build(Transpose(perm), ctx.build(Reshape(split), ctx[0]))
    return ctx.build(Reshape((n, channels, height * size, width * size)), moved)


@importer("SpaceToDepth")
def space_to_depth(ctx: Context) -> Value:
    """Squares of pixels become channels; DCR counts them outside of those there are, CRD inside."""
    size = ctx.need_attr("blocksize")
    n, channels, height, width = _image(ctx)
    require(
        size > 0 and height % size == width % size == 0,
        f"{height} x {width} pixels are not squares of {size} x {size}",
    )
    rows, columns = height // size, width // size
    split = ctx.build(Reshape((n, channels, rows, size, columns, size)), ctx[0])
    outside = ctx.attr("mode", "DCR") == "DCR"
    perm = (0, 3, 5, 1, 2, 4) if outside else (0, 1, 3, 5, 2, 4)
    moved = ctx.build(Transpose(perm), split)
    return ctx.build(Reshape((n, channels * size**2, rows, columns)), moved)


def _image(ctx: Context) -> tuple[int, ...]:
    x = ctx.type(0)
    require(x.rank == 4, f"{ctx.node.op_type} of {x}, which is not [N, C, H, W]", operand=0)
    if not x.is_static:
        raise unsupported(f"{ctx.node.op_type} of {x}, whose sizes the data decides")
    return x.dims
