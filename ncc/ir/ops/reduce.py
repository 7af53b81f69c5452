"""reduce_sum, reduce_prod, reduce_max, reduce_min, reduce_mean: one number for many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ncc.ir.graph import Builder, Node, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Div, Mul
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.reshape import Reshape
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import FUNCTIONS, limits
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class Reduce(Op):
    """Combine the elements along `axes` in `dtype.compute` or wider, rounding once at the end.

    The axes stay with size 1 when `keepdims`, else they go.
    """

    axes: tuple[int, ...]
    keepdims: bool = True

    combine: ClassVar[str] = ""
    """The function of `ncc.ir.scalar.FUNCTIONS` that joins two elements; the order is free."""

    def initial(self, dtype: DType) -> float | int:
        """What the combination starts from: it changes no element of `dtype`."""
        raise NotImplementedError(f"{self.name} has no initial value")

    def infer(self, x: TensorType) -> TensorType:
        require(
            self.axes == tuple(sorted(set(self.axes) & set(range(x.rank)))),
            f"{self.name} of {x} along axes {list(self.axes)}",
            hint=f"give axes from 0 to {x.rank - 1}, each once, in order",
            operand=0,
            label=f"has {x.rank} axes",
        )
        require(
            x.dtype is not DType.bool,
            f"{self.name} takes numbers, not bool",
            hint="cast to u8 first",
            operand=0,
            label="is bool",
        )
        return x.with_shape(
            1 if axis in self.axes else dim
            for axis, dim in enumerate(x.shape)
            if self.keepdims or axis not in self.axes
        )

    def eval(self, x: Array) -> Array:
        function = FUNCTIONS[self.combine]
        assert isinstance(function, np.ufunc)
        dtype = DType.of(x.dtype)
        start = self.initial(dtype.compute)
        inner = np.dtype(np.float64) if dtype.is_float else x.dtype
        with np.errstate(all="ignore"):
            joined = function.reduce(
                x.astype(inner, copy=False), self.axes, keepdims=self.keepdims, initial=start
            )
            return np.asarray(joined).astype(x.dtype, copy=False)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return operands[0].size


@op("reduce_sum")
class ReduceSum(Reduce):
    """The sum; 0 of nothing. Integers wrap."""

    combine = "add"

    def initial(self, dtype: DType) -> float:
        return 0


@op("reduce_prod")
class ReduceProd(Reduce):
    """The product; 1 of nothing. Integers wrap."""

    combine = "mul"

    def initial(self, dtype: DType) -> float:
        return 1


@op("reduce_max")
class ReduceMax(Reduce):
    """The largest element, NaN when there is one; of nothing the lowest number."""

    combine = "max"

    def initial(self, dtype: DType) -> float:
        return -math.inf if dtype.is_float else limits(dtype)[0]


@op("reduce_min")
class ReduceMin(Reduce):
    """The smallest element, NaN when there is one; of nothing the highest number."""

    combine = "min"

    def initial(self, dtype: DType) -> float:
        return math.inf if dtype.is_float else limits(dtype)[1]


@op("reduce_mean")
class ReduceMean(Reduce):
    """The sum divided by the number of elements; integers truncate."""

    combine = "add"

    def initial(self, dtype: DType) -> float:
        return 0

    def eval(self, x: Array) -> Array:
        wide = x.astype(DType.of(x.dtype).compute.numpy, copy=False)
        total = super().eval(wide)
        count = np.asarray(x.size // total.size if total.size else 0, total.dtype)
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS["div"](total, count)).astype(x.dtype)

    def decompose(self, build: Builder, x: Value) -> Value | None:
        """The sum in `dtype.compute`, times 1 / n or, for integers, divided by n."""
        if not x.tensor.is_static:
            return None
        dtype, count = x.tensor.dtype, math.prod(x.tensor.dims[axis] for axis in self.axes)
        wide = build(Cast(dtype.compute), x)
        total = build(ReduceSum(self.axes, self.keepdims), wide)
        if dtype.is_float and count:
            mean = build(Mul(), total, constant(build, 1.0 / count, dtype.compute))
        else:
            mean = build(Div(), total, constant(build, count, dtype.compute))
        return build(Cast(dtype), mean)


@canonical(P((ReduceSum, ReduceProd, ReduceMax, ReduceMin, ReduceMean), V("x"), node="node"))
def nothing_to_combine(build: Builder, node: Node, x: Value) -> Value | Skip:
    """reduce_sum(x) -> reshape(x) along axes of size 1, and likewise for every reduction."""
    assert isinstance(node.op, Reduce)
    sizes = [x.tensor.shape[axis] for axis in node.op.axes]
    if any(size != 1 for size in sizes):
        return Skip(f"sizes {', '.join(map(str, sizes))} of {x.type} are combined")
    return build(Reshape(node.result.tensor.shape), x)
