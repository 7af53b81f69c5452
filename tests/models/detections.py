"""Boxes with a class and a score, as found by a detector, and whether two sets are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAME_PLACE = 0.9
"""The least IoU of two boxes that count as one detection."""


class Detection(NamedTuple):
    """What was found: `box` is left, top, right, bottom."""

    kind: int
    score: float
    box: tuple[float, float, float, float]


def strongest(boxes: Array, scores: Array, *, above: float, iou: float) -> list[Detection]:
    """Greedy non-maximum suppression within each class, best first.

    `boxes` is [n, 4] of corners, `scores` [n, classes]. Boxes with a score of more than `above`
    stand unless they overlap a better one of their class by more than `iou`.
    """
    places, kinds = np.nonzero(scores > above)
    found: list[Detection] = []
    for index in np.argsort(-scores[places, kinds], kind="stable"):
        place, kind = places[index], int(kinds[index])
        left, top, right, bottom = (float(edge) for edge in boxes[place])
        new = Detection(kind, float(scores[place, kind]), (left, top, right, bottom))
        if all(old.kind != kind or overlap(old, new) <= iou for old in found):
            found.append(new)
    return found


def overlap(one: Detection, other: Detection) -> float:
    """Intersection over union of two boxes."""
    across = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    down = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (_area(one) + _area(other) - shared)


def assert_same(got: Sequence[Detection], want: Sequence[Detection]) -> None:
    """Each detection has its own partner of the same class at the same place, and none is left."""
    assert want, "nothing was detected: the input tests nothing"
    left = list(got)
    for wanted in want:
        partner = max(
            (other for other in left if other.kind == wanted.kind),
            key=lambda other: overlap(wanted, other),
            default=None,
        )
        assert partner is not None, f"{wanted} was not found"
        assert overlap(wanted, partner) > SAME_PLACE, f"{wanted} became {partner}"
        left.remove(partner)
    assert not left, f"found only here: {left}"


def _area(found: Detection) -> float:
    left, top, right, bottom = found.box
    return (right - left) * (bottom - top)
