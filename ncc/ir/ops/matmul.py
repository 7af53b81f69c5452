"""matmul: the product of two (stacks of) matrices."""

import numpy as np

from ncc.ir.op import Array, Op, broadcast, op, require
from ncc.ir.types import Dim, DType, TensorType


@op("matmul")
class MatMul(Op):
    """a[..., m, k] times b[..., k, n], leading axes broadcast: [..., m, n].

    Products of narrow floats are summed in f32 and rounded once, to `result` (default: the type
    of the operands). Those of u8 with i8 are summed in i32, which wraps around and is the default.
    """

    result: DType | None = None

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(
            a.rank >= 2 and b.rank >= 2,
            f"a matrix product needs two axes or more, not {a} and {b}",
            operand=0 if a.rank < 2 else 1,
        )
        require(
            sums_of(a.dtype, b.dtype) is not None,
            f"cannot multiply {a} and {b}",
            hint="cast one of them first",
            operand=1,
            label=f"is {b.dtype.value}, needs {a.dtype.value}",
        )
        require(
            compatible(a.shape[-1], b.shape[-2]),
            f"cannot multiply {a} and {b}",
            operand=1,
            label=f"has {b.shape[-2]} rows, needs {a.shape[-1]}",
        )
        batch = broadcast(a.shape[:-2], b.shape[:-2])
        dtype = self.result or product_of(a.dtype, b.dtype)
        return TensorType(dtype, (*batch, a.shape[-2], b.shape[-1]))

    def eval(self, a: Array, b: Array) -> Array:
        dtypes = DType.of(a.dtype), DType.of(b.dtype)
        sums = sums_of(*dtypes)
        assert sums is not None, "the operands have types that are multiplied"
        inner = sums.numpy
        with np.errstate(all="ignore"):
            product = np.matmul(a.astype(inner, copy=False), b.astype(inner, copy=False))
            return np.asarray(product, (self.result or product_of(*dtypes)).numpy)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 2 * results[0].size * operands[0].dims[-1]


BYTES = (DType.u8, DType.i8)
"""The types of a product of integers of 8 bits, which processors make four at a time."""


def sums_of(a: DType, b: DType) -> DType | None:
    """The type in which products of these are summed; None where they are not multiplied."""
    if (a, b) == BYTES:
        return DType.i32
    return a.compute if a is b else None


def product_of(a: DType, b: DType) -> DType:
    """The type of a product of these where the op does not say."""
    return DType.i32 if (a, b) == BYTES else a


def compatible(a: Dim, b: Dim) -> bool:
    """Whether two sizes may be equal: only two different numbers never are."""
    return a == b or not (isinstance(a, int) and isinstance(b, int))
