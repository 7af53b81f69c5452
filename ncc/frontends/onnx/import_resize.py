"""Importers of Resize and of Upsample, which it replaced."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axes_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.resize import Resize
from ncc.ir.sampling import Coordinates, Interpolation, Rounding

_MODES = {
    "nearest": Interpolation.NEAREST,
    "linear": Interpolation.LINEAR,
    "bilinear": Interpolation.LINEAR,
    "cubic": Interpolation.CUBIC,
}
Number = TypeVar("Number", int, float)
Floats = tuple[float, ...]
Sizes = tuple[int, ...]


@importer("Upsample")
def upsample_by_attribute(ctx: Context) -> Value:
    return _enlarged(ctx, ctx.need_attr("scales"))


@importer("Upsample", since=9)
@importer("Resize", since=10)
def upsample(ctx: Context) -> Value:
    return _enlarged(ctx, _floats(ctx, 1, "scales"))


def _enlarged(ctx: Context, scales: Floats) -> Value:
    """Before opset 11: element i stands at i / scale; nearest is the one before (shrunk: after)."""
    rounding = Rounding.FLOOR if min(scales) >= 1 else Rounding.CEIL
    sizes = _scaled(ctx.type(0).dims, scales)
    op = Resize(sizes, scales, _mode(ctx), Coordinates.ASYMMETRIC, rounding)
    return ctx.build(op, ctx[0])


@importer("Resize", since=11)
def resize(ctx: Context) -> Value:
    before, rank = ctx.type(0).dims, ctx.type(0).rank
    axes = axes_of(ctx.attr("axes", tuple(range(rank))), rank)
    scales, sizes = _scales_and_sizes(ctx, [before[axis] for axis in axes])
    starts, ends = _crop(ctx, len(axes))
    op = Resize(
        _on_axes(axes, sizes, before),
        _on_axes(axes, scales, (1.0,) * rank),
        _mode(ctx),
        ctx.attr_choice("coordinate_transformation_mode", Coordinates.HALF_PIXEL),
        ctx.attr_choice("nearest_mode", Rounding.PREFER_FLOOR),
        ctx.attr("cubic_coeff_a", -0.75),
        bool(ctx.attr("exclude_outside", 0)),
        bool(ctx.attr("antialias", 0)),
        ctx.attr("extrapolation_value", 0.0),
        _on_axes(axes, starts, (0.0,) * rank),
        _on_axes(axes, ends, (1.0,) * rank),
    )
    return ctx.build(op, ctx[0])


def _scales_and_sizes(ctx: Context, before: list[int]) -> tuple[Floats, Sizes]:
    """One of the two is an operand and gives the other."""
    scales = _floats(ctx, 2, "scales") if ctx.operand(2) is not None else ()
    if scales:
        require(len(scales) == len(before), f"{len(scales)} scales for {len(before)} axes")
        return scales, _scaled(before, scales)
    sizes = tuple(int(size) for size in ctx.need_constant(3, "sizes"))
    require(len(sizes) == len(before), f"{len(sizes)} sizes for {len(before)} axes")
    ratios = tuple(
        float(np.float32(to) / np.float32(n)) for n, to in zip(before, sizes, strict=True)
    )
    policy = ctx.attr("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return ratios, sizes
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return (ratio,) * len(before), tuple(int(np.floor(ratio * n + 0.5)) for n in before)


def _scaled(before: Sizes | list[int], scales: Floats) -> Sizes:
    return tuple(
        int(np.floor(np.float32(n) * np.float32(s))) for n, s in zip(before, scales, strict=True)
    )


def _crop(ctx: Context, count: int) -> tuple[Floats, Floats]:
    """The part of each axis that is taken, in numbers from 0 to 1; all of it by default."""
    if ctx.attr("coordinate_transformation_mode") != Coordinates.CROP.value:
        return (0.0,) * count, (1.0,) * count
    region = _floats(ctx, 1, "roi")
    require(len(region) == 2 * count, f"{len(region)} numbers of roi for {count} axes")
    return region[:count], region[count:]


def _on_axes(
    axes: Sizes, values: tuple[Number, ...], default: tuple[Number, ...]
) -> tuple[Number, ...]:
    """`values` on `axes`, `default` on the others."""
    given = dict(zip(axes, values, strict=True))
    return tuple(given.get(axis, value) for axis, value in enumerate(default))


def _floats(ctx: Context, index: int, what: str) -> Floats:
    return tuple(float(value) for value in ctx.need_constant(index, what))


def _mode(ctx: Context) -> Interpolation:
    name = ctx.attr("mode", "nearest")
    if name not in _MODES:
        raise NccError("invalid-model", f"'{name}' is not a mode of {ctx.node.op_type}")
    return _MODES[name]
