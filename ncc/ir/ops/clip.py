"""clip: keep floats between two constants."""

import math

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Elementwise, Op, op, require
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.relu import Relu
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import TensorType


@op("clip")
class Clip(Elementwise):
    """min(max(x, min), max) of floats; NaN stays. Both bounds are numbers of the operand's type."""

    min: float = -math.inf
    max: float = math.inf

    def check(self, *operands: TensorType) -> None:
        dtype = operands[0].dtype
        require(
            dtype.is_float,
            f"clip takes floats, not {dtype.value}",
            hint="use min and max, which take integers",
            operand=0,
            label=f"is {dtype.value}",
        )

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.min(m.max(x, self.min), self.max)


@canonical(P(Clip, V("x"), bind="clip"))
def unbounded_clip(build: Builder, clip: Clip, x: Value) -> Value | Skip:
    """clip(x) {min = -inf, max = inf} -> x, and without an upper bound, from zero on -> relu(x)"""
    if clip.max != math.inf:
        return Skip(f"the upper bound is {clip.max}")
    if clip.min == 0:
        return build(Relu(), x)
    return x if clip.min == -math.inf else Skip(f"the lower bound is {clip.min}")


@canonical(P((Min, Max), V("x"), P(Constant, node="c"), node="node"))
def clip_of_extremum(build: Builder, node: Node, x: Value, c: Node) -> Value | Skip:
    """max(x, c) -> clip(x) {min = c}, and min likewise, for one float c."""
    bound = number(c.result)
    if bound is None or node.result.type != x.type:
        return Skip("the constant is not one number")
    if not x.tensor.dtype.is_float or math.isnan(bound):
        return Skip(f"clip takes floats and a number, not {x.tensor.dtype.value} and {bound}")
    return build(Clip(max=bound) if isinstance(node.op, Min) else Clip(min=bound), x)


@canonical(P((Clip, Relu), P((Clip, Relu), V("x"), bind="inner"), bind="outer"))
def merge_clips(build: Builder, outer: Op, inner: Op, x: Value) -> Value | Skip:
    """clip(clip(x)) -> clip(x), where relu counts as clip {min = 0}."""
    (low, high), (least, most) = clip_bounds(inner), clip_bounds(outer)
    if low > high or least > most:
        return Skip("the bounds of one clip are crossed")
    low, high = (min(max(bound, least), most) for bound in (low, high))
    if (low, high) == (0, math.inf):
        return build(Relu(), x)
    return build(Clip(low, high), x)


def clip_bounds(op: Op) -> tuple[float, float]:
    """What a clip or a relu keeps numbers between."""
    return (op.min, op.max) if isinstance(op, Clip) else (0.0, math.inf)
