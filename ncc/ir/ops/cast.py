"""cast: convert the elements of a tensor to another type."""

from ncc.ir import scalar
from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Elementwise, op
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar
from ncc.ir.types import DType, TensorType


@op("cast")
class Cast(Elementwise):
    """Floats round to nearest even; floats to integers truncate, saturate, and take NaN as 0."""

    to: DType
    cost = 0

    def result_dtype(self, *operands: DType) -> DType:
        return self.to

    def check(self, *operands: TensorType) -> None:
        pass

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.cast(x, self.to)

    def eval(self, x: Array) -> Array:
        return scalar.cast(x, self.to)


@canonical(P(Cast, V("x"), bind="cast"))
def same_type(build: Builder, cast: Cast, x: Value) -> Value | Skip:
    """cast(x) {to = the type of x} -> x"""
    return x if x.tensor.dtype is cast.to else Skip(f"{x.type} becomes {cast.to.value}")


@canonical(P(Cast, P(Cast, V("x"), bind="inner"), bind="outer"))
def exact_between(build: Builder, outer: Cast, inner: Cast, x: Value) -> Value | Skip:
    """cast(cast(x)) -> cast(x) where the type in between holds every x."""
    first, between, last = x.tensor.dtype, inner.to, outer.to
    if not holds(between, first):
        return Skip(f"{between.value} does not hold every {first.value}")
    if first.is_int and between.is_float and last.is_int and not holds(last, first):
        return Skip(f"{first.value} wraps to {last.value}, {between.value} saturates")
    return build(Cast(last), x)


_NUMBERS: dict[DType, tuple[int, int, int]] = {
    DType.f64: (53, -1074, 1023),
    DType.f32: (24, -149, 127),
    DType.tf32: (11, -136, 127),
    DType.f16: (11, -24, 15),
    DType.bf16: (8, -133, 127),
    DType.f8e4m3: (4, -9, 8),
    DType.f8e5m2: (3, -16, 15),
}
"""Significant bits, and the exponents of the smallest and of the largest magnitude."""


def holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    if wide is narrow or DType.string in {wide, narrow}:
        return wide is narrow
    if DType.bool in {wide, narrow}:
        return narrow is DType.bool
    if wide.is_int and narrow.is_int:
        low, high = scalar.limits(narrow)
        least, most = scalar.limits(wide)
        return least <= low and high <= most
    bits, smallest, largest = _NUMBERS.get(wide, (0, 0, 0))
    used, least_used, most_used = _NUMBERS.get(narrow) or _integers(narrow)
    return bits >= used and smallest <= least_used and largest >= most_used


def widened(value: Value) -> Value | None:
    """The floats that `value` holds in a wider type, if it is a cast of such."""
    if value.node is None or not isinstance(value.op, Cast):
        return None
    (source,) = value.node.operands
    floats = source.tensor.dtype.is_float and value.op.to.is_float
    return source if floats and holds(value.op.to, source.tensor.dtype) else None


def _integers(dtype: DType) -> tuple[int, int, int]:
    low, high = map(int, scalar.limits(dtype))
    return high.bit_length(), 0, max(-low, high).bit_length() - 1
