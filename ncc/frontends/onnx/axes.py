"""Axes as ONNX counts them: negative ones from the end."""

from __future__ import annotations

from collections.abc import Iterable

from ncc.ir.op import require


def axis_of(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` counted from 0; NccError when a tensor of `rank` axes has none like it."""
    require(
        -rank <= axis < rank,
        f"{what} {axis} of a tensor of {rank} axes",
        hint=f"give a number from {-rank} to {rank - 1}" if rank else "a scalar has no axes",
    )
    return int(axis) % rank


def axes_of(axes: Iterable[int], rank: int, what: str = "axis") -> tuple[int, ...]:
    """`axes` counted from 0, in the order given; NccError when one is named twice."""
    found = tuple(axis_of(axis, rank, what) for axis in axes)
    require(len(set(found)) == len(found), f"{what} named twice in {list(found)}")
    return found
