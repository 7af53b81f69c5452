"""segment: a part of a program that runs in one place."""

from __future__ import annotations

from enum import Enum

from ncc.ir.op import op
from ncc.ir.ops.fused import Fused


class Placement(Enum):
    """Where a segment runs."""

    device = "device"
    """As code of the backend."""
    host = "host"
    """Node by node, by each op's reference meaning."""


@op("segment")
class Segment(Fused):
    """The results of `body`, computed on the device or on the host."""

    placement: Placement = Placement.device
