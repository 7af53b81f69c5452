"""pow, sqrt: powers and roots of elements."""

from ncc.ir.fold import number
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Elementwise, op
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


@canonical(P(Pow, V("x"), P(Constant, node="c"), node="node"))
def small_power(build: Builder, node: Node, x: Value, c: Node) -> Value | Skip:
    """x ** 1, x ** 2, x ** 3 and x ** -1 -> x, x * x, x * x * x and 1 / x."""
    exponent = number(c.result)
    if exponent not in {1, 2, 3, -1}:
        return Skip(f"{exponent} is not a small power")
    if node.result.type != x.type:
        return Skip("the exponent adds an axis")
    if exponent == -1:
        return build(Reciprocal(), x)
    power = x
    for _ in range(int(exponent) - 1):
        power = build(Mul(), power, x)
    return power
