"""pow, sqrt: powers and roots of elements."""

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Elementwise, Op, op
from ncc.ir.ops.arithmetic import Mul, Reciprocal
from ncc.ir.ops.constant import Constant
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar


@op("pow")
class Pow(Elementwise):
    """a ** b, for floats."""

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        return m.pow(a, b)


@op("sqrt", onnx="Sqrt")
class Sqrt(Elementwise):
    """The square root; NaN for negative numbers."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.sqrt(x)


INVERSES: dict[float, Op] = {-1.0: Reciprocal(), 0.5: Sqrt()}


@canonical(P(Pow, V("x"), P(Constant, node="c"), node="node"))
def small_power(build: Builder, node: Node, x: Value, c: Node) -> Value | Skip:
    """x ** n -> x, x * x, x * x * x, 1 / x and sqrt(x) for n = 1, 2, 3, -1 and 1/2."""
    exponent = number(c.result)
    if node.result.type != x.type:
        return Skip("the exponent adds an axis")
    if exponent in {1, 2, 3}:
        power = x
        for _ in range(int(exponent) - 1):
            power = build(Mul(), power, x)
        return power
    if exponent not in INVERSES:
        return Skip(f"{exponent} is not a small power")
    return build(INVERSES[exponent], x)
