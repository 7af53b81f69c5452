"""pack_panels: lay the right operand of a contraction out in panels of register width."""

from __future__ import annotations

import math

import numpy as np

from ncc.backends.cpu.loopir.loops import Pack
from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import TensorType


@op("pack_panels")
class PackPanels(Op):
    """[groups, columns, k, run] to a flat run of [groups, panels, k, run / kr, nr, kr].

    `columns` are those of the product, `run` the innermost reduction axis, `k` the product of
    the outer ones. A linear layer's weight [in, out] is packed from its transpose as
    [1, out, 1, in]; a convolution's [out, in / groups, kh, kw] from
    [groups, out / groups, kh, kw * in / groups] where a row of taps is one run. Columns are
    padded with zeros to a multiple of `nr`, the run to a multiple of `kr`.
    """

    nr: int
    kr: int

    def infer(self, x: TensorType) -> TensorType:
        require(
            x.rank == 4 and x.is_static,
            f"pack_panels takes static [groups, columns, k, run], not {x}",
            operand=0,
            label=f"has {x.rank} axes",
        )
        return x.with_shape((math.prod(self._panels(x.dims)),))

    def eval(self, x: Array) -> Array:
        groups, panels, k, steps, nr, kr = self._panels(x.shape)
        bits = x.view(np.dtype(f"u{x.dtype.itemsize}"))
        padding = [(0, panels * nr - x.shape[1]), (0, 0), (0, steps * kr - x.shape[3])]
        padded = np.pad(bits, [(0, 0), *padding]) if any(map(any, padding)) else bits
        split = padded.reshape(groups, panels, nr, k, steps, kr)
        return split.transpose(0, 1, 3, 4, 2, 5).ravel().view(x.dtype)

    def layout(self, x: TensorType) -> Pack:
        """How `Contract` reads one group of the result."""
        _, _, k, steps, nr, kr = self._panels(x.dims)
        return Pack(nr=nr, kr=kr, panel=k * steps * nr * kr)

    def _panels(self, shape: tuple[int, ...]) -> tuple[int, int, int, int, int, int]:
        groups, columns, k, run = shape
        return groups, -(-columns // self.nr), k, -(-run // self.kr), self.nr, self.kr
