"""Rules that find a normalisation which a model writes as its parts."""

from __future__ import annotations

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.op import broadcast
from ncc.ir.ops.arithmetic import Add, Div, Mul, Reciprocal, Sub
from ncc.ir.ops.layer_norm import LayerNorm, RMSNorm
from ncc.ir.ops.power import Sqrt
from ncc.ir.ops.reduce import ReduceMean
from ncc.ir.rewrite import C, P, Skip, V, canonical

SQUARES = P(Mul, V("x"), V("x"))
DEVIATION = P(
    Sqrt,
    P(Add, P(ReduceMean, SQUARES, bind="mean", once=True), V("epsilon"), once=True),
    once=True,
)
"""sqrt(mean(x * x) + epsilon)"""


def norm_of_parts(build: Builder, x: Value, mean: ReduceMean, epsilon: Value) -> Value | Skip:
    """x / sqrt(mean(x * x) + epsilon) -> rms_norm(x, 1); layer_norm(y, 1) where x is y - mean(y)"""
    rank, shift = x.tensor.rank, number(epsilon)
    axis = rank - len(mean.axes)
    if mean.axes != tuple(range(axis, rank)) or not mean.keepdims or not x.tensor.dtype.is_float:
        return Skip(f"the mean is along axes {list(mean.axes)} of {x.type}, not its last ones")
    if shift is None:
        return Skip(f"{epsilon.type} is not one number")
    one = constant(build, 1.0, x.tensor.dtype)
    source = _centred(x, mean)
    if source is None:
        return build(RMSNorm(axis, shift), x, one)
    return build(LayerNorm(axis, shift), source, one)


def _centred(x: Value, mean: ReduceMean) -> Value | None:
    """y where x is y - mean(y) along the same axes."""
    if x.node is None or not isinstance(x.op, Sub):
        return None
    y, subtracted = x.node.operands
    same = subtracted.op == mean and subtracted.node is not None
    return y if same and subtracted.node and subtracted.node.operands == (y,) else None


canonical(P(Div, V("x"), DEVIATION))(norm_of_parts)
canonical(P(Mul, V("x"), P(Reciprocal, DEVIATION, once=True)))(norm_of_parts)
canonical(P(Mul, P(Reciprocal, DEVIATION, once=True), V("x")))(norm_of_parts)


@canonical(P(Mul, P((LayerNorm, RMSNorm), V("x"), V("one"), bind="norm", once=True), C("scale")))
def scale_of_norm(
    build: Builder, norm: LayerNorm | RMSNorm, x: Value, one: Value, scale: Value
) -> Value | Skip:
    """layer_norm(x, 1) * scale -> layer_norm(x, scale), and of rms_norm."""
    if number(one) != 1:
        return Skip(f"the scale is {one.type} already")
    if broadcast(x.tensor.shape, scale.tensor.shape) != x.tensor.shape:
        return Skip(f"{scale.type} adds axes to {x.type}")
    return build(norm, x, scale)


@canonical(P(Add, P(LayerNorm, V("x"), V("scale"), bind="norm", once=True), C("bias")))
def bias_of_norm(
    build: Builder, norm: LayerNorm, x: Value, scale: Value, bias: Value
) -> Value | Skip:
    """layer_norm(x, scale) + bias -> layer_norm(x, scale, bias)"""
    if broadcast(x.tensor.shape, bias.tensor.shape) != x.tensor.shape:
        return Skip(f"{bias.type} adds axes to {x.type}")
    return build(norm, x, scale, bias)
