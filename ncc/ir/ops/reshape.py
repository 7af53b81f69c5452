"""reshape: the same elements in the same order under other sizes."""

import math

from ncc.ir.graph import Builder, Node, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.transpose import Transpose
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import Dim, Shape, TensorType, dim_mul


@op("reshape")
class Reshape(Op):
    """The elements of the operand, in row-major order, in a tensor of `shape`."""

    shape: Shape

    def infer(self, x: TensorType) -> TensorType:
        result = x.with_shape(self.shape)
        before, after = _count(x.shape), _count(self.shape)
        require(
            before == after or not isinstance(before, int) or not isinstance(after, int),
            f"cannot reshape {x} to {result}: {before} elements are not {after}",
            hint="the sizes before and after must have the same product",
            operand=0,
            label=f"has {before} elements",
        )
        return result

    def eval(self, x: Array) -> Array:
        open_axes = [axis for axis, dim in enumerate(self.shape) if not isinstance(dim, int)]
        assert len(open_axes) <= 1, f"{self.shape} leaves more than one size open"
        known = math.prod(dim for dim in self.shape if isinstance(dim, int))
        fits = x.size % known == 0 if known else x.size == 0
        require(fits, f"cannot reshape {x.size} elements to [{', '.join(map(str, self.shape))}]")
        rest = x.size // known if known else 0
        return x.reshape([dim if isinstance(dim, int) else rest for dim in self.shape])


def _count(shape: Shape) -> Dim:
    total: Dim = 1
    for dim in shape:
        total = dim_mul(total, dim)
    return total


@canonical(P(Reshape, V("x"), bind="reshape"))
def same_shape(build: Builder, reshape: Reshape, x: Value) -> Value | Skip:
    """reshape(x) {shape = that of x} -> x"""
    if x.tensor.shape == reshape.shape and x.tensor.is_static:
        return x
    return Skip(f"{x.type} changes its shape")


@canonical(P(Reshape, P(Reshape, V("x")), bind="outer"))
def merge_reshapes(build: Builder, outer: Reshape, x: Value) -> Value:
    """reshape(reshape(x)) -> reshape(x)"""
    return build(outer, x)


@canonical(P(Transpose, V("x"), bind="transpose", node="node"))
def transpose_of_ones(build: Builder, transpose: Transpose, x: Value, node: Node) -> Value | Skip:
    """transpose(x) -> reshape(x) where only axes of size 1 move past others."""
    moved = [axis for axis in transpose.perm if x.tensor.shape[axis] != 1]
    if moved != sorted(moved):
        return Skip(f"axes {moved} of {x.type} change their order")
    return build(Reshape(node.result.tensor.shape), x)
