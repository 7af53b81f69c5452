"""The attributes with which ONNX describes sliding windows, as a `Window`."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Context
from ncc.ir.op import require, unsupported
from ncc.ir.types import Dim
from ncc.ir.window import Sizes, Window


def window_of(ctx: Context, kernel: Sizes) -> Window:
    """The window of a Conv or pooling node, `auto_pad` resolved; without `ceil_mode`."""
    rank = len(kernel)
    strides, dilations = spatial(ctx, "strides", rank), spatial(ctx, "dilations", rank)
    reach = reaches(kernel, dilations)
    low, high = explicit_pads(ctx, rank)
    automatic = ctx.attr("auto_pad", "NOTSET")
    if automatic.startswith("SAME"):
        rows = zip(_sizes(ctx, rank), strides, reach, strict=True)
        total = [max(0, (-(-size // by) - 1) * by + span - size) for size, by, span in rows]
        low, high = split_padding(total, upper=automatic == "SAME_UPPER")
    elif automatic == "VALID":
        low = high = (0,) * rank
    elif automatic != "NOTSET":
        raise NccError("invalid-model", f"{automatic} is not an auto_pad of ONNX")
    return Window(kernel, strides, low, high, dilations)


def overhang(ctx: Context, window: Window) -> Sizes:
    """Padding that `ceil_mode` adds after each axis, so that a last window fits.

    A window that would start beyond the input and its padding is not added.
    """
    rank = len(window.kernel)
    if not ctx.attr("ceil_mode", 0):
        return (0,) * rank
    extra = []
    for axis, size in enumerate(_sizes(ctx, rank)):
        by, span = window.strides[axis], reaches(window.kernel, window.dilations)[axis]
        padded = size + window.low[axis] + window.high[axis]
        count = -(-(padded - span) // by) + 1
        if (count - 1) * by >= size + window.low[axis]:
            count -= 1
        extra.append(max(0, (count - 1) * by + span - padded))
    return tuple(extra)


def spatial(ctx: Context, name: str, rank: int) -> Sizes:
    """An attribute with one positive number per spatial axis, 1 by default."""
    values: Sizes = ctx.attr(name, (1,) * rank)
    require(
        len(values) == rank > 0 and min(values) > 0,
        f"{name} {list(values)} are not {rank} positive numbers, one per spatial axis",
    )
    return values


def explicit_pads(ctx: Context, rank: int) -> tuple[Sizes, Sizes]:
    """The attribute `pads` as amounts before and after each spatial axis."""
    pads: Sizes = ctx.attr("pads", (0,) * 2 * rank)
    require(
        len(pads) == 2 * rank > 0 and min(pads) >= 0,
        f"pads {list(pads)} are not {2 * rank} amounts: before and after each spatial axis",
    )
    return pads[:rank], pads[rank:]


def reaches(kernel: Sizes, dilations: Sizes) -> Sizes:
    """How many elements a window spans on each axis."""
    return tuple(step * (taps - 1) + 1 for taps, step in zip(kernel, dilations, strict=True))


def split_padding(total: Sequence[int], *, upper: bool) -> tuple[Sizes, Sizes]:
    """Padding in two halves; an odd element goes after the axis if `upper`, else before."""
    low = tuple(amount // 2 if upper else amount - amount // 2 for amount in total)
    return low, tuple(amount - part for amount, part in zip(total, low, strict=True))


def _sizes(ctx: Context, rank: int) -> Sizes:
    """The spatial sizes of the node's first operand, which padding depends on."""
    shape: tuple[Dim, ...] = ctx.type(0).shape
    sizes = tuple(dim for dim in shape[2:] if isinstance(dim, int))
    if len(shape) != rank + 2:
        raise NccError("shape", f"the window has {rank} axes, {ctx.type(0)} {len(shape) - 2}")
    if len(sizes) != rank:
        raise unsupported(f"padding of {ctx.node.op_type} depends on a size that the data decides")
    return sizes
