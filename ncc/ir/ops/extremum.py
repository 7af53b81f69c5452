"""min, max: the smaller and the larger of two numbers."""

from ncc.ir.op import Elementwise, op
from ncc.ir.ops.arithmetic import constant_to_the_right
from ncc.ir.rewrite import C, D, P, canonical
from ncc.ir.scalar import Math, Scalar


@op("min")
class Min(Elementwise):
    """The smaller of a and b; NaN when either is."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.min(a, b)


@op("max")
class Max(Elementwise):
    """The larger of a and b; NaN when either is."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.max(a, b)


canonical(P((Min, Max), C("c"), D("x"), bind="op"))(constant_to_the_right.body)
