"""Rules that find a group norm which a model writes as an instance norm of groups."""

from __future__ import annotations

import math

from ncc.ir.graph import Builder, Node, Value
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.group_norm import GroupNorm
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import C, P, Skip, V, canonical

GROUPS = P(
    GroupNorm, P(Reshape, V("x"), node="apart"), C("scale"), C("bias"), bind="norm", once=True
)
NORM = P(GroupNorm, V("x"), C("scale"), C("bias"), bind="norm", once=True)


@canonical(P(Reshape, GROUPS, bind="back"))
def norm_of_groups(
    build: Builder,
    back: Reshape,
    norm: GroupNorm,
    apart: Node,
    x: Value,
    scale: Value,
    bias: Value,
) -> Value | Skip:
    """reshape(group_norm(reshape(x))) -> group_norm(x), where groups of channels were one."""
    n, groups = apart.result.tensor.shape[:2]
    if back.shape != x.tensor.shape or not x.tensor.is_static or x.tensor.rank < 3:
        return Skip(f"it is no longer {x.type} afterwards")
    channels = x.tensor.dims[1]
    if n != x.tensor.shape[0] or groups != norm.groups or channels % norm.groups:
        return Skip(f"{norm.groups} groups of {apart.result.type} are not channels of {x.type}")
    scale, bias = (_repeated(build, value, channels // norm.groups) for value in (scale, bias))
    return build(norm, x, scale, bias)


@canonical(P(Mul, NORM, C("factor")))
def scale_of_group_norm(
    build: Builder, norm: GroupNorm, x: Value, scale: Value, bias: Value, factor: Value
) -> Value | Skip:
    """group_norm(x, scale, bias) * factor -> group_norm(x, scale * factor, bias * factor)"""
    column = _per_channel(build, x, factor)
    if column is None:
        return Skip(f"{factor.type} is not one number per channel of {x.type}")
    return build(norm, x, build(Mul(), scale, column), build(Mul(), bias, column))


@canonical(P(Add, NORM, C("offset")))
def bias_of_group_norm(
    build: Builder, norm: GroupNorm, x: Value, scale: Value, bias: Value, offset: Value
) -> Value | Skip:
    """group_norm(x, scale, bias) + offset -> group_norm(x, scale, bias + offset)"""
    column = _per_channel(build, x, offset)
    if column is None:
        return Skip(f"{offset.type} is not one number per channel of {x.type}")
    return build(norm, x, scale, build(Add(), bias, column))


def _repeated(build: Builder, x: Value, times: int) -> Value:
    """Each element of x [n] that often in a row."""
    (count,) = x.tensor.dims
    wide = build(BroadcastTo((count, times)), build(Reshape((count, 1)), x))
    return build(Reshape((count * times,)), wide)


def _per_channel(build: Builder, x: Value, numbers: Value) -> Value | None:
    """`numbers` as [C], if under broadcasting they are one for each channel of x [N, C, ...]."""
    channels, spatial = x.tensor.shape[1], x.tensor.rank - 2
    dims = numbers.tensor.dims
    column = (channels, *[1] * spatial)
    if numbers.tensor.dtype is not x.tensor.dtype or dims not in (column, (1, *column)):
        return None
    return build(Reshape((math.prod(dims),)), numbers)
