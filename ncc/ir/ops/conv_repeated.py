"""Convolutions in which each channel has several filters of its own."""

from __future__ import annotations

from dataclasses import replace

from ncc.ir.graph import Builder, Value
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import P, Skip, V, canonical


@canonical(P(Conv, V("x"), V("w"), bind="conv"))
def repeat_channels(build: Builder, conv: Conv, x: Value, w: Value) -> Value | Skip:
    """conv(x, w), filters of one channel of many -> conv(x with channels repeated, w).

    Then each channel has one filter, and products fill the lanes of vectors.
    """
    filters, channels = w.tensor.dims[:2]
    if conv.groups == 1 or channels != 1 or filters <= conv.groups or not x.tensor.is_static:
        return Skip("filters see several channels, or each channel has one")
    samples, groups, *sizes = x.tensor.dims
    times = filters // groups
    apart = build(Reshape((samples, groups, 1, *sizes)), x)
    repeated = build(BroadcastTo((samples, groups, times, *sizes)), apart)
    joined = build(Reshape((samples, filters, *sizes)), repeated)
    return build(replace(conv, groups=filters), joined, w)
