"""scatter_elements, scatter_nd: a tensor with some of its elements replaced or updated."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from enum import Enum

import numpy as np

from ncc.ir.fold import EVALUATION_LIMIT, constant_array
from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, counting, index_type, part
from ncc.ir.op import Array, Elementwise, Op, op, require
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Equal
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather, check_range, require_indices
from ncc.ir.ops.logic import And
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.rewrite import C, P, Skip, V, canonical
from ncc.ir.types import DType, TensorType


class Reduction(Enum):
    """What becomes of an element and its update; of several `none`s the last one stays."""

    none = "none"
    add = "add"
    mul = "mul"
    max = "max"
    min = "min"


_JOIN: dict[Reduction, np.ufunc] = {
    Reduction.add: np.add,
    Reduction.mul: np.multiply,
    Reduction.max: np.maximum,
    Reduction.min: np.minimum,
}


FEW = 8
"""Updates that are compared with every place of a tensor; more are made one by one."""
SMALL = 1 << 14
"""Places times updates up to which more than one update is."""


@op("scatter_elements")
class ScatterElements(Op):
    """x with updates[i, j, k] at [i, indices[i, j, k], k] for axis 1, and so on.

    Indices count from 0.
    """

    axis: int
    reduction: Reduction = Reduction.none

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        require_indices(indices)
        require(
            0 <= self.axis < x.rank == indices.rank,
            f"scatter_elements into {x} along axis {self.axis} with indices {indices}",
            operand=1,
            label=f"needs {x.rank} axes",
        )
        _require_updates(updates, x.with_shape(indices.shape))
        return x

    def makes_few(self, x: TensorType, indices: TensorType) -> bool:
        """Whether few updates are made of each element, and all but `axis` is whole."""
        if not x.is_static or not indices.is_static:
            return False
        whole, slots = list(x.dims), indices.dims[self.axis]
        whole[self.axis] = slots
        return list(indices.dims) == whole and _are_choices(slots, x)

    def coordinates(self, indices: Array) -> tuple[Array, ...]:
        """Where each update goes: its place along each axis of x."""
        places: list[Array] = list(np.indices(indices.shape))
        places[self.axis] = indices
        return tuple(places)

    def eval(self, x: Array, indices: Array, updates: Array) -> Array:
        check_range(indices, x.shape[self.axis])
        line = self._line(indices)
        if line is None or self.reduction is not Reduction.none:
            return _updated(x, self.coordinates(indices), updates, self.reduction)
        result = x.copy()
        places: list[Array | slice] = [slice(size) for size in indices.shape]
        places[self.axis] = line
        result[tuple(places)] = updates
        return result

    def _line(self, indices: Array) -> Array | None:
        """The indices along the axis, where they are the same in every line of some."""
        first = tuple(slice(None if axis == self.axis else 1) for axis in range(indices.ndim))
        line = indices[first]
        alike = indices.size and np.array_equal(indices, np.broadcast_to(line, indices.shape))
        return line.ravel() if alike else None

    def decompose(self, build: Builder, x: Value, indices: Value, updates: Value) -> Value | None:
        """A choice for each of a few updates, where all other axes are whole."""
        if not self.makes_few(x.tensor, indices.tensor):
            return None
        for slot in range(indices.tensor.dims[self.axis]):
            place, update = (part(build, value, self.axis, slot, 1) for value in (indices, updates))
            here = _is_place(build, x, self.axis, place)
            x = build(Where(), here, _joined(build, self.reduction, x, update), x)
        return x


@op("scatter_nd")
class ScatterND(Op):
    """x with updates[i] at x[*indices[i]] for any number of axes i; indices count from 0.

    The last axis of the indices holds one coordinate for each of the first axes of x.
    """

    reduction: Reduction = Reduction.none

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        require_indices(indices)
        depth = indices.shape[-1] if indices.rank else None
        require(
            isinstance(depth, int) and depth <= x.rank,
            f"scatter_nd into {x} with indices {indices}",
            hint=f"the last axis holds at most {x.rank} coordinates",
            operand=1,
            label=f"has {depth} coordinates",
        )
        assert isinstance(depth, int)
        _require_updates(updates, x.with_shape((*indices.shape[:-1], *x.shape[depth:])))
        return x

    def makes_few(self, x: TensorType, indices: TensorType) -> bool:
        """Whether there are few updates, of a part of x each."""
        if not x.is_static or not indices.is_static:
            return False
        *outer, depth = indices.dims
        return depth > 0 and _are_choices(math.prod(outer), x)

    def coordinates(self, indices: Array) -> tuple[Array, ...]:
        """Where each update goes: its place along each of the first axes of x."""
        return tuple(np.moveaxis(indices, -1, 0))

    def eval(self, x: Array, indices: Array, updates: Array) -> Array:
        places = self.coordinates(indices)
        for size, place in zip(x.shape, places, strict=False):
            check_range(place, size)
        return _updated(x, places, updates, self.reduction)

    def decompose(self, build: Builder, x: Value, indices: Value, updates: Value) -> Value | None:
        """A choice for each of a few updates."""
        if not self.makes_few(x.tensor, indices.tensor):
            return None
        *outer, depth = indices.tensor.dims
        count, rest = math.prod(outer), x.tensor.dims[depth:]
        rows = build(Reshape((count, depth)), indices)
        parts = build(Reshape((count, *(1,) * depth, *rest)), updates)
        for row in range(count):
            coordinates = part(build, rows, 0, row, 1)
            places = [part(build, coordinates, 1, axis, 1) for axis in range(depth)]
            numbers = [build(Reshape(()), place) for place in places]
            matches = [_is_place(build, x, axis, number) for axis, number in enumerate(numbers)]
            here = functools.reduce(lambda a, b: build(And(), a, b), matches)
            update = build(Reshape((1,) * depth + rest), part(build, parts, 0, row, 1))
            x = build(Where(), here, _joined(build, self.reduction, x, update), x)
        return x


def _are_choices(updates: int, x: TensorType) -> bool:
    return updates <= 1 or (updates <= FEW and updates * x.size <= SMALL)


def _is_place(build: Builder, x: Value, axis: int, place: Value) -> Value:
    """Where the coordinate of x along `axis` is `place`."""
    dtype = index_type(x.tensor)
    along = counting(build, x.tensor.rank, axis, x.tensor.dims[axis], dtype)
    return build(Equal(), along, build(Cast(dtype), place))


def _joined(build: Builder, reduction: Reduction, x: Value, update: Value) -> Value:
    joins: dict[Reduction, type[Elementwise]] = {
        Reduction.add: Add,
        Reduction.mul: Mul,
        Reduction.max: Max,
        Reduction.min: Min,
    }
    return update if reduction is Reduction.none else build(joins[reduction](), x, update)


def _require_updates(updates: TensorType, wanted: TensorType) -> None:
    known = zip(updates.shape, wanted.shape, strict=False)
    fits = updates.rank == wanted.rank and not any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in known
    )
    require(
        fits and updates.dtype is wanted.dtype,
        f"updates {updates} do not fit the indices",
        operand=2,
        label=f"needs {wanted}",
    )


def _updated(x: Array, places: tuple[Array, ...], updates: Array, reduction: Reduction) -> Array:
    result = x.copy()
    if reduction is Reduction.none:
        result[places] = updates
    else:
        _JOIN[reduction].at(result, places, updates)
    return result


@canonical(P((ScatterElements, ScatterND), V("x"), C("indices"), V("updates"), bind="scatter"))
def known_scatter(
    build: Builder,
    scatter: ScatterElements | ScatterND,
    x: Value,
    indices: Value,
    updates: Value,
) -> Value | Skip:
    """scatter(x, constant, updates) -> slices of x joined with the updates, or one gather of both.

    They are joined where the indices are all of a box, in order.
    """
    if scatter.reduction is not Reduction.none:
        return Skip(f"updates are combined by {scatter.reduction.value}")
    known = constant_array(indices)
    if known is None:
        return Skip(f"{indices.type} are too many indices")
    if not x.tensor.is_static:
        return Skip(f"{x.type} has a size that is not a number")
    places = np.stack([place.ravel() for place in scatter.coordinates(known)])
    outer, rest = x.tensor.dims[: len(places)], x.tensor.dims[len(places) :]
    if np.any((places < 0) | (places >= np.array(outer)[:, None])):
        return Skip(f"an index is outside of {x.type}")
    box = _box(places)
    if box is None:
        if math.prod(outer) * DType.i32.itemsize > EVALUATION_LIMIT:
            return Skip(f"{x.type} has too many places for a constant")
        return _gathered(build, x, places, updates, rest)
    low, sizes = box
    return _overwritten(build, x, build(Reshape((*sizes, *rest)), updates), low)


def _box(places: Array) -> tuple[list[int], list[int]] | None:
    """The lowest corner and the sizes of the box whose elements `places` [axes, n] are in order."""
    if not places.size:
        return None
    low = places.min(1)
    sizes = places.max(1) - low + 1
    filled = np.indices(sizes).reshape(len(low), -1) + low[:, None]
    same = math.prod(sizes.tolist()) == places.shape[1] and np.array_equal(filled, places)
    return (low.tolist(), sizes.tolist()) if same else None


def _overwritten(build: Builder, x: Value, box: Value, low: Sequence[int]) -> Value:
    """`x` with `box` from the corner `low` on, one axis after the other."""
    sizes = zip(box.tensor.dims, x.tensor.dims, strict=True)
    axis = next((axis for axis, (inner, outer) in enumerate(sizes) if inner != outer), None)
    if axis is None:
        return box
    start, size = low[axis], box.tensor.dims[axis]
    end, whole = start + size, x.tensor.dims[axis]
    middle = _overwritten(build, part(build, x, axis, start, size), box, low)
    before = [part(build, x, axis, 0, start)] if start else []
    after = [part(build, x, axis, end, whole - end)] if end < whole else []
    return build(Concat(axis), *before, middle, *after)


def _gathered(
    build: Builder, x: Value, places: Array, updates: Value, rest: tuple[int, ...]
) -> Value:
    """The rows of `x` and of the updates, each taken from where it is."""
    outer = x.tensor.dims[: len(places)]
    count = math.prod(outer)
    source = np.arange(count)
    source[np.ravel_multi_index(tuple(places), outer)] = count + np.arange(places.shape[1])
    rows = build(Reshape((count, *rest)), x)
    new = build(Reshape((places.shape[1], *rest)), updates)
    taken = build(Gather(0), build(Concat(0), rows, new), constant(build, source, DType.i32))
    return build(Reshape(x.tensor.shape), taken)
