"""broadcast_to: repeat a tensor along axes of size 1 and along new leading axes."""

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import UNKNOWN, Shape, TensorType


@op("broadcast_to")
class BroadcastTo(Op):
    """The numpy broadcast of the operand to `shape`; an open size is that of the operand."""

    shape: Shape

    def infer(self, x: TensorType) -> TensorType:
        result = x.with_shape(self.shape)
        aligned = zip(reversed(x.shape), reversed(self.shape), strict=False)
        require(
            x.rank <= len(self.shape)
            and all(own in {1, wanted} or UNKNOWN in {own, wanted} for own, wanted in aligned),
            f"cannot broadcast {x} to {result}",
            hint="sizes are aligned at the last axis; each must be 1 or the wanted one",
            operand=0,
            label=f"does not fit [{', '.join(map(str, self.shape))}]",
        )
        return result

    def eval(self, x: Array) -> Array:
        own = (1,) * (len(self.shape) - x.ndim) + x.shape
        wanted = [dim if isinstance(dim, int) else own[i] for i, dim in enumerate(self.shape)]
        return np.broadcast_to(x, wanted)


@canonical(P(BroadcastTo, V("x"), bind="outer"))
def nothing_repeats(build: Builder, outer: BroadcastTo, x: Value) -> Value | Skip:
    """broadcast_to(x) {shape = that of x} -> x"""
    if x.tensor.shape == outer.shape and x.tensor.is_static:
        return x
    return Skip(f"{x.type} changes its shape")


@canonical(P(BroadcastTo, P(BroadcastTo, V("x")), bind="outer"))
def merge_broadcasts(build: Builder, outer: BroadcastTo, x: Value) -> Value:
    """broadcast_to(broadcast_to(x)) -> broadcast_to(x)"""
    return build(outer, x)
