"""The best elements of rows by comparing: no branches, so that vectors and cores do it.

An element comes before another that is worse, or equal and further on; NaN counts as larger than
all numbers. `Places` holds this order as two numbers per element: which of two is better is a
question about the first, about the second where those are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, counting
from ncc.ir.ops.arithmetic import Add, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.compare import Equal, Greater, Less
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import And, Or
from ncc.ir.ops.reduce import ReduceMax, ReduceMin, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.scalar import limits
from ncc.ir.types import DType

FEW_PASSES = 16
"""Results for which the best element is taken again and again."""
FEW_STEPS = 1 << 11
"""Elements of a row times results up to which it is."""
FEW_PAIRS = 1 << 16
"""Pairs of elements, and of elements and results, up to which all are compared."""

Best = tuple[Value, Value]
"""Elements and their indices as i64."""


@dataclass(frozen=True, slots=True)
class Places:
    """Rows x [..., n] with what orders their elements: `first`, better if larger (or smaller, if
    not `largest`), then `second`, i32, better if smaller: the index, less n for NaN that is best,
    n more for NaN that is worst.
    """

    x: Value
    first: Value
    second: Value
    largest: bool

    @property
    def size(self) -> int:
        return self.x.tensor.dims[-1]


def best(build: Builder, x: Value, k: int, *, largest: bool) -> Best | None:
    """The k best elements of each row [..., n], best first; None where that is too much work."""
    size, n = x.tensor.size, x.tensor.dims[-1]
    if not finds_few(size, n, k):
        return None
    found = _one_by_one if _few_passes(n, k) else _by_rank
    return found(build, _places(build, x, largest), k)


def finds_few(size: int, n: int, k: int) -> bool:
    """Whether k of n elements of each row, of `size` in all, are found by comparing."""
    some = 0 < k <= n and size > 0
    return some and (_few_passes(n, k) or size * (n + k) <= FEW_PAIRS)


def _few_passes(n: int, k: int) -> bool:
    return k <= FEW_PASSES and n * k <= FEW_STEPS


def _places(build: Builder, x: Value, largest: bool) -> Places:
    rank, n = x.tensor.rank, x.tensor.dims[-1]
    index = counting(build, rank, rank - 1, n, DType.i32)
    if not x.tensor.dtype.is_float:
        return Places(x, x, index, largest)
    is_nan = build(Isnan(), x)
    first = build(Where(), is_nan, constant(build, float("inf"), x.tensor.dtype), x)
    moved = build(Sub() if largest else Add(), index, constant(build, n, DType.i32))
    return Places(x, first, build(Where(), is_nan, moved, index), largest)


def _by_rank(build: Builder, places: Places, k: int) -> Best:
    """Every element is compared with all others; how many are better is its place."""
    better = Greater() if places.largest else Less()
    mine = [_with_axis(build, value, -1) for value in (places.first, places.second)]
    others = [_with_axis(build, value, -2) for value in (places.first, places.second)]
    ties = build(And(), build(Equal(), others[0], mine[0]), build(Less(), others[1], mine[1]))
    ahead = build(Or(), build(better, others[0], mine[0]), ties)
    axis = ahead.tensor.rank - 1
    rank = build(ReduceSum((axis,), keepdims=False), build(Cast(DType.i32), ahead))
    wanted = counting(build, axis + 1, axis - 1, k, DType.i32)
    chosen = build(Equal(), _with_axis(build, rank, -2), wanted)
    index = counting(build, axis + 1, axis, places.size, DType.i32)
    value, found = (_picked(build, chosen, row) for row in (_with_axis(build, places.x, -2), index))
    return value, build(Cast(DType.i64), found)


def _with_axis(build: Builder, x: Value, place: int) -> Value:
    """x with an axis of size 1 as the last, or as the last but one."""
    *outer, n = x.tensor.dims
    return build(Reshape((*outer, n, 1) if place == -1 else (*outer, 1, n)), x)


def _picked(build: Builder, chosen: Value, x: Value, *, keepdims: bool = False) -> Value:
    """The one element of each row of x that is chosen."""
    nothing = constant(build, _worst(x.tensor.dtype, largest=True), x.tensor.dtype)
    axis = chosen.tensor.rank - 1
    return build(ReduceMax((axis,), keepdims), build(Where(), chosen, x, nothing))


def _worst(dtype: DType, *, largest: bool) -> float:
    """What no element is worse than."""
    if dtype.is_float:
        return float("-inf") if largest else float("inf")
    return limits(dtype)[0 if largest else 1]


def _one_by_one(build: Builder, places: Places, k: int) -> Best:
    """The best element, k times; one that was taken is the worst from then on."""
    axis, n = places.x.tensor.rank - 1, places.size
    extreme = ReduceMax((axis,)) if places.largest else ReduceMin((axis,))
    first, second = places.first, places.second
    last = constant(build, 2 * n, DType.i32)
    worst = constant(build, _worst(first.tensor.dtype, largest=places.largest), first.tensor.dtype)
    values, indices = [], []
    for _ in range(k):
        equal = build(Equal(), first, build(extreme, first))
        taken = build(ReduceMin((axis,)), build(Where(), equal, second, last))
        chosen = build(Equal(), second, taken)
        values.append(_picked(build, chosen, places.x, keepdims=True))
        indices.append(_index(build, taken, n))
        first = build(Where(), chosen, worst, first)
        second = build(Where(), chosen, last, second)
    return build(Concat(axis), *values), build(Concat(axis), *indices)


def _index(build: Builder, second: Value, n: int) -> Value:
    """The index in 0 .. n - 1 that `second` is, but for a multiple of n."""
    zero, size = (constant(build, number, DType.i32) for number in (0, n))
    up = build(Where(), build(Less(), second, zero), build(Add(), second, size), second)
    down = build(Where(), build(Less(), up, size), up, build(Sub(), up, size))
    return build(Cast(DType.i64), down)
