"""pad: a constant around a tensor."""

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, op, require
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.types import TensorType, dim_add


@op("pad")
class Pad(Op):
    """`low[i]` elements before and `high[i]` after those of axis i, all equal to `value`."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    value: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        require(
            len(self.low) == len(self.high) == x.rank and min(self.low + self.high, default=0) >= 0,
            f"pad of {x} needs {x.rank} amounts on either side, none negative",
            operand=0,
            label=f"has {x.rank} axes",
        )
        around = (low + high for low, high in zip(self.low, self.high, strict=True))
        return x.with_shape(map(dim_add, x.shape, around))

    def eval(self, x: Array) -> Array:
        if not x.ndim:
            return x
        value = np.asarray(self.value).astype(x.dtype)
        return np.pad(x, list(zip(self.low, self.high, strict=True)), constant_values=value)


@canonical(P(Pad, V("x"), bind="pad"))
def nothing_added(build: Builder, pad: Pad, x: Value) -> Value | Skip:
    """pad(x) {low = [0, ...], high = [0, ...]} -> x"""
    return Skip("some axis grows") if any(pad.low + pad.high) else x


@canonical(P(Pad, P(Pad, V("x"), bind="inner"), bind="outer"))
def merge_pads(build: Builder, outer: Pad, inner: Pad, x: Value) -> Value | Skip:
    """pad(pad(x)) -> pad(x) when both add the same number."""
    if repr(outer.value) != repr(inner.value):
        return Skip(f"{inner.value} is padded with {outer.value}")
    low = tuple(map(int.__add__, inner.low, outer.low))
    high = tuple(map(int.__add__, inner.high, outer.high))
    return build(Pad(low, high, outer.value), x)
