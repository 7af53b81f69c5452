"""Importers of convolutions."""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.frontends.onnx.window import explicit_pads, reaches, spatial, split_padding, window_of
from ncc.ir.graph import Value
from ncc.ir.op import require
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import DType, TensorType
from ncc.ir.window import Sizes


@importer("Conv")
def conv(ctx: Context) -> Value:
    op = conv_op(ctx, ctx.type(1), _type_of_sums(ctx))
    return _with_bias(ctx, ctx.build(op, ctx[0], ctx[1]))


@importer("ConvTranspose")
def conv_transpose(ctx: Context) -> Value:
    """`output_shape` and `auto_pad` decide the padding, where they are given."""
    kernel = _kernel(ctx, ctx.type(1))
    rank = len(kernel)
    strides, dilations = spatial(ctx, "strides", rank), spatial(ctx, "dilations", rank)
    extra: Sizes = ctx.attr("output_padding", (0,) * rank)
    low, high = explicit_pads(ctx, rank)
    automatic = ctx.attr("auto_pad", "NOTSET")
    wanted = ctx.attr("output_shape")
    sizes = ctx.type(0).dims[2:]
    require(
        rank == len(sizes) == len(extra) and (wanted is None or len(wanted) in {rank, rank + 2}),
        f"output_padding and output_shape have one number for each of {len(sizes)} spatial axes",
    )
    if wanted is None and automatic.startswith("SAME"):
        wanted = tuple(size * by for size, by in zip(sizes, strides, strict=True))
    if wanted is not None:
        span = reaches(kernel, dilations)
        rows = zip(sizes, strides, extra, span, wanted[-rank:], strict=True)
        excess = [(n - 1) * by + more + reach - out for n, by, more, reach, out in rows]
        low, high = split_padding([max(0, n) for n in excess], upper=automatic == "SAME_UPPER")
        extra = tuple(more + max(0, -n) for more, n in zip(extra, excess, strict=True))
    elif automatic == "VALID":
        low = high = (0,) * rank
    groups, sums = ctx.attr("group", 1), _type_of_sums(ctx)
    op = ConvTranspose(strides, low, high, dilations, extra, groups, sums)
    return _with_bias(ctx, ctx.build(op, ctx[0], ctx[1]))


def conv_op(ctx: Context, filters: TensorType, result: DType | None = None) -> Conv:
    """The convolution that the node's attributes describe, for filters of a type."""
    window = window_of(ctx, _kernel(ctx, filters))
    groups = ctx.attr("group", 1)
    return Conv(window.strides, window.low, window.high, window.dilations, groups, result)


def _kernel(ctx: Context, filters: TensorType) -> Sizes:
    """The sizes of the filters, which `kernel_shape` may repeat but not contradict."""
    require(filters.is_static, f"the filters {filters} have a size that is not a number")
    sizes = filters.dims[2:]
    given = ctx.attr("kernel_shape", sizes)
    require(given == sizes, f"kernel_shape {list(given)} contradicts filters {filters}")
    return sizes


def _type_of_sums(ctx: Context) -> DType | None:
    """Sums of narrow floats to which a bias is added are rounded after that, once."""
    return None if ctx.operand(2) is None else wider(ctx.type(0).dtype)


def wider(dtype: DType) -> DType | None:
    """The type of sums of a narrow float; None for types that sum in themselves."""
    return dtype.compute if dtype.is_float and dtype.compute is not dtype else None


def _with_bias(ctx: Context, sums: Value) -> Value:
    """`sums` plus operand 2, one number per channel, when the node has it; in the type of x."""
    bias = ctx.operand(2)
    if bias is None:
        return sums
    column = Reshape((*bias.tensor.shape, *(1,) * (sums.tensor.rank - 2)))
    wide = ctx.cast(ctx.build(column, bias), sums.tensor.dtype)
    return ctx.cast(ctx.build(Add(), sums, wide), ctx.type(0).dtype)
