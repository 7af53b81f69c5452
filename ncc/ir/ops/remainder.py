"""mod, fmod: the two remainders of a division."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("fmod")
class Fmod(Elementwise):
    """a - trunc(a / b) * b: the remainder with the sign of a; 0 for an integer b of 0."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.fmod(a, b)


@op("mod")
class Mod(Elementwise):
    """a - floor(a / b) * b: the remainder with the sign of b; 0 for an integer b of 0."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        rest = m.fmod(a, b)
        other_sign = (rest < 0) ^ (b < 0)
        return m.where(m.ne(rest, 0) & other_sign, rest + b, rest)
