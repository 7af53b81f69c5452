"""Parts of an axis that the data bounds, combined without tensors of open size.

What is looked up by a part of the indices is that part of what all of them look up, and a reduction
of a part is one of the whole axis with neutral elements elsewhere: both have sizes that are known.
Bags of embeddings are exported as such parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.frontends.onnx.context import Context
from ncc.ir.fold import number
from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.ops.arithmetic import Add, Div
from ncc.ir.ops.compare import Less
from ncc.ir.ops.dynamic_slice import DynamicSlice
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.logic import And, Not
from ncc.ir.ops.reduce import Reduce, ReduceMean, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType


@dataclass(frozen=True, slots=True)
class Part:
    """`whole[start:end]` along `axis`, which has `size` elements; bounds as ONNX counts them."""

    whole: Value
    axis: int
    start: Value
    end: Value

    def of(self, build: Builder, whole: Value, axis: int) -> Value:
        """The same part of another axis of as many elements."""
        step = constant(build, [1], self.start.tensor.dtype)
        return build(DynamicSlice((axis,)), whole, self.start, self.end, step)

    @property
    def size(self) -> int:
        return self.whole.tensor.dims[self.axis]


def part_of(value: Value) -> Part | None:
    """The part that a value is, without a gap, of a whole of known size; None if it is not one."""
    node = value.node
    if node is None or not isinstance(node.op, DynamicSlice) or len(node.op.axes or ()) != 1:
        return None
    whole, start, end, step = node.operands
    if not whole.tensor.is_static or number(step) != 1:
        return None
    assert node.op.axes is not None
    return Part(whole, node.op.axes[0] % whole.tensor.rank, start, end)


def reduced_part(
    ctx: Context, kind: type[Reduce], x: Value, axes: tuple[int, ...], keepdims: bool
) -> Value | None:
    """The reduction of a part along its axis, if `x` is one; a mean of floats of f32 and more."""
    part, dtype = part_of(x), x.tensor.dtype
    if part is None or axes != (part.axis,) or not part.size:
        return None
    if kind is ReduceMean and dtype not in {DType.f32, DType.f64}:
        return None
    inside = _inside(ctx, part)
    op = ReduceSum(axes, keepdims) if kind is ReduceMean else kind(axes, keepdims)
    neutral = ctx.const(op.initial(dtype), dtype)
    total = ctx.build(op, ctx.build(Where(), inside, part.whole, neutral))
    if kind is not ReduceMean:
        return total
    count = ctx.build(ReduceSum((0,), keepdims=False), ctx.cast(inside, dtype))
    return ctx.build(Div(), total, count)


def _inside(ctx: Context, part: Part) -> Value:
    """Which elements of the whole are in the part: bool [size, 1, ...]."""
    behind = part.whole.tensor.rank - part.axis - 1
    places = ctx.build(Iota(part.size, part.start.tensor.dtype))
    start, end = (_from_0(ctx, bound, part.size) for bound in (part.start, part.end))
    after = ctx.build(Not(), ctx.build(Less(), places, start))
    inside = ctx.build(And(), after, ctx.build(Less(), places, end))
    return ctx.build(Reshape((part.size, *[1] * behind)), inside)


def _from_0(ctx: Context, bound: Value, size: int) -> Value:
    """A bound counted from the start; those beyond an end are not moved."""
    dtype = bound.tensor.dtype
    back = ctx.build(Add(), bound, ctx.const(size, dtype))
    return ctx.build(Where(), ctx.build(Less(), bound, ctx.const(0, dtype)), back, bound)
