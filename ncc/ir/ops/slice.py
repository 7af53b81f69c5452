"""slice: some of the elements along each axis, at a regular distance."""

from __future__ import annotations

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import Dim, Shape, TensorType


@op("slice")
class Slice(Op):
    """Index j of axis i of the result is index starts[i] + j * steps[i] of the operand.

    An axis whose size is not a number is taken whole.
    """

    starts: tuple[int, ...]
    sizes: Shape
    steps: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(
            {len(self.starts), len(self.sizes), len(self.steps)} == {x.rank},
            f"slice of {x} needs {x.rank} starts, sizes and steps",
            operand=0,
            label=f"has {x.rank} axes",
        )
        for axis, dim in enumerate(x.shape):
            start, size, step = self.starts[axis], self.sizes[axis], self.steps[axis]
            require(
                _fits(start, size, step, dim),
                f"{size} elements from {start} by {step} leave axis {axis} of {x}",
                operand=0,
                label=f"has {dim} along axis {axis}",
            )
        return x.with_shape(self.sizes)

    def eval(self, x: Array) -> Array:
        taken = zip(self.starts, self.sizes, self.steps, strict=True)
        return x[tuple(python_slice(*part) for part in taken)]


def _fits(start: int, size: Dim, step: int, dim: Dim) -> bool:
    if not isinstance(size, int) or not isinstance(dim, int):
        return (start, size, step) == (0, dim, 1)
    last = start + (size - 1) * step
    return step != 0 and size >= 0 and (size == 0 or (0 <= start < dim and 0 <= last < dim))


def python_slice(start: int, size: Dim, step: int) -> slice:
    """`size` elements from `start` on at distance `step`, as python and numpy say it."""
    if not isinstance(size, int):
        return slice(None)
    stop = start + size * step
    return slice(start, stop if stop >= 0 else None, step) if size else slice(0)


@canonical(P(Slice, V("x"), bind="outer"))
def whole_slice(build: Builder, outer: Slice, x: Value) -> Value | Skip:
    """slice(x) -> x where every axis is taken whole."""
    ones = all(step == 1 for step in outer.steps)
    return x if ones and outer.sizes == x.tensor.shape else Skip(f"a part of {x.type} is taken")


@canonical(P(Slice, P(Slice, V("x"), bind="inner"), bind="outer"))
def merge_slices(build: Builder, outer: Slice, inner: Slice, x: Value) -> Value:
    """slice(slice(x)) -> slice(x)"""
    starts = (
        a + b * step for a, b, step in zip(inner.starts, outer.starts, inner.steps, strict=True)
    )
    steps = (a * b for a, b in zip(inner.steps, outer.steps, strict=True))
    return build(Slice(tuple(starts), outer.sizes, tuple(steps)), x)
