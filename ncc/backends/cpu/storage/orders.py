"""Orders of axes: which lies slowest in memory, which fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ncc.backends.cpu.storage.views import View

Order = tuple[int, ...]
"""Axes, slowest first."""

LONG = 8
"""Elements from which an axis is more than a few neighbours."""


def channels_last(rank: int) -> Order:
    """N, the spatial axes, C."""
    return (0, *range(2, rank), 1)


def order_of(view: View) -> Order:
    """Axes from the largest stride to the smallest; those of size 1 stay where they are."""
    rank = len(view.shape)
    moving = [axis for axis in range(rank) if view.shape[axis] > 1]
    ranked = iter(sorted(moving, key=lambda axis: -abs(view.strides[axis])))
    return tuple(next(ranked) if axis in moving else axis for axis in range(rank))


def order_to_reshape(view: View, shape: Sequence[int]) -> Order:
    """How to lay a copy of `view` out so that it can be seen as `shape`.

    Axes that become one, or come of one, follow each other; otherwise as in `view`, where short
    axes say nothing beside a long one of their group: pixels made of channels lie apart.
    """
    groups = list(_groups(view.shape, shape))
    order = sorted(groups, key=lambda group: -_pace(view, group, LONG))
    if math.prod(view.shape[axis] for axis in order[-1]) < LONG:
        order = sorted(groups, key=lambda group: -_pace(view, group, 2))
    return tuple(axis for group in order for axis in group)


def _pace(view: View, axes: Sequence[int], least: int) -> int:
    """The smallest stride along those of `axes` that have `least` elements, or else along any.

    Axes that do not move say nothing.
    """
    moving = [axis for axis in axes if view.shape[axis] > 1 and view.strides[axis]]
    long = [axis for axis in moving if view.shape[axis] >= least] or moving
    return min((abs(view.strides[axis]) for axis in long), default=view.span)


def _groups(before: Sequence[int], after: Sequence[int]) -> Iterator[list[int]]:
    """The axes of `before` in the least groups that a reshape to `after` does not cross."""
    group: list[int] = []
    left = right = 1
    rest = iter(after)
    for axis, size in enumerate(before):
        group.append(axis)
        left *= size
        while right < left:
            right *= next(rest)
        if left == right:
            yield group
            group = []


def taps_first(filters: View, groups: int) -> View:
    """Filters [groups * columns, channels, *taps] as [groups, *taps, channels, columns]."""
    split = filters.split(0, (groups, filters.shape[0] // groups))
    return split.transposed((0, *range(3, len(split.shape)), 2, 1))
