"""A rule for convolutions of single planes: their batch becomes the channels."""

from __future__ import annotations

import dataclasses

from ncc.ir.graph import Builder, Value
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import P, Skip, V, canonical

FEW = 4
"""Planes that are worth being channels: lanes run over those."""


@canonical(P(Conv, V("x"), V("w"), bind="conv"))
def planes_as_channels(build: Builder, conv: Conv, x: Value, w: Value) -> Value | Skip:
    """conv(x [N, 1, ...], w [1, 1, ...]) -> conv(x [1, N, ...], w [N, 1, ...]), reshaped back."""
    if w.tensor.shape[:2] != (1, 1) or not x.tensor.is_static:
        return Skip(f"{w.type} is not one filter for a plane of {x.type}")
    n, _, *sizes = x.tensor.dims
    if n < FEW:
        return Skip(f"{n} planes are too few")
    planes = build(Reshape((1, n, *sizes)), x)
    filters = build(BroadcastTo((n, 1, *w.tensor.dims[2:])), w)
    made = build(dataclasses.replace(conv, groups=n), planes, filters)
    return build(Reshape((n, 1, *made.tensor.dims[2:])), made)
