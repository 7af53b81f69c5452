"""transpose: reorder the axes of a tensor."""

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import TensorType


@op("transpose", torch="aten::permute")
class Transpose(Op):
    """Result axis `i` is operand axis `perm[i]`."""

    perm: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:
        require(
            sorted(self.perm) == list(range(x.rank)),
            f"perm {list(self.perm)} does not name each axis of {x} once",
            hint=f"give perm the numbers 0..{x.rank - 1}, each once",
            operand=0,
            label=f"has {x.rank} axes",
        )
        return x.with_shape(x.shape[axis] for axis in self.perm)

    def eval(self, x: Array) -> Array:
        return x.transpose(self.perm)


@canonical(P(Transpose, V("x"), bind="transpose"))
def nothing_moves(build: Builder, transpose: Transpose, x: Value) -> Value | Skip:
    """transpose(x) {perm = [0, 1, ...]} -> x"""
    still = transpose.perm == tuple(range(len(transpose.perm)))
    return x if still else Skip(f"perm is {list(transpose.perm)}")


@canonical(P(Transpose, P(Transpose, V("x"), bind="inner"), bind="outer"))
def merge_transposes(build: Builder, outer: Transpose, inner: Transpose, x: Value) -> Value:
    """transpose(transpose(x)) -> transpose(x)"""
    return build(Transpose(tuple(inner.perm[axis] for axis in outer.perm)), x)
