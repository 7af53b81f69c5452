"""Index arithmetic in the graph: where an element lies in a tensor whose axes are made one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ncc.ir.graph import Builder, Value
from ncc.ir.literal import Literal
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.iota import Iota
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.types import DType, TensorType


def constant(build: Builder, array: npt.ArrayLike, dtype: DType) -> Value:
    """A literal with the elements of `array` as `dtype`."""
    return build(Constant(Literal.of(np.asarray(array).astype(dtype.numpy))))


def row_major_strides(dims: Sequence[int]) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie in a dense tensor, in elements."""
    return tuple(math.prod(dims[axis + 1 :]) for axis in range(len(dims)))


def index_type(x: TensorType) -> DType:
    """The narrowest of i32 and i64 that counts the elements of `x`."""
    return DType.i32 if x.size < 2**31 else DType.i64


def counting(build: Builder, rank: int, axis: int, size: int, dtype: DType) -> Value:
    """0, 1, .. size - 1 along `axis` of a tensor of `rank` axes whose others have size 1."""
    shape = [1] * rank
    shape[axis] = size
    return build(Reshape(tuple(shape)), build(Iota(size, dtype)))


def part(build: Builder, x: Value, axis: int, start: int, size: int, step: int = 1) -> Value:
    """`size` elements of `axis` from `start` on, the other axes whole."""
    rank = x.tensor.rank
    starts, sizes, steps = [0] * rank, list(x.tensor.shape), [1] * rank
    starts[axis], sizes[axis], steps[axis] = start, size, step
    return build(Slice(tuple(starts), tuple(sizes), tuple(steps)), x)


def weighted_sum(build: Builder, terms: Sequence[tuple[Value, int]], dtype: DType) -> Value:
    """The sum of value * weight over `terms`, in `dtype`, with broadcasting."""
    total: Value | None = None
    for value, weight in terms:
        term = value if value.tensor.dtype is dtype else build(Cast(dtype), value)
        if weight != 1:
            term = build(Mul(), term, constant(build, weight, dtype))
        total = term if total is None else build(Add(), total, term)
    assert total is not None, "a sum of nothing"
    return total
