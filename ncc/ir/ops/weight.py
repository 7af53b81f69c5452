"""weight: a tensor that stays in the file it came from."""

from __future__ import annotations

import hashlib

import numpy as np

from ncc.ir.literal import FileSlice
from ncc.ir.op import Array, Op, op
from ncc.ir.types import TensorType


@op("weight")
class Weight(Op):
    """The tensor called `label`: a slice of a mapped file.

    Without a slice (IR text that stands alone) the elements are drawn from a normal
    distribution seeded by the label, so that a text test means something.
    """

    label: str
    type: TensorType
    slice: FileSlice | None = None

    def infer(self) -> TensorType:
        return self.type

    def eval(self) -> Array:
        if self.slice is not None:
            return self.slice.read(self.type)
        seed = int.from_bytes(hashlib.sha256(self.label.encode()).digest()[:8], "little")
        drawn = np.random.default_rng(seed).standard_normal(self.type.dims)
        return drawn.astype(self.type.dtype.numpy)
