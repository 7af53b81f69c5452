"""pack_panels, pack_blocks: the right operand of a contraction in panels of register width."""

from __future__ import annotations

import math

import numpy as np

from ncc.backends.cpu.loopir.panels import WORD_BITS, BlockPack, Pack
from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import DType, TensorType


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


@op("pack_blocks")
class PackBlocks(Op):
    """Integers i8 [K, N] of a few bits to words u32, a flat run of [panels, blocks, rows, nr].

    `units` are f32 [blocks, N] each: scales, and perhaps zero points, whose rows are the first of a
    block. The others hold `kr` integers of a column each, see `BlockPack`. Columns are padded with
    zeros to a multiple of `nr`.
    """

    nr: int
    kr: int

    def infer(self, x: TensorType, *units: TensorType) -> TensorType:
        require(
            x.rank == 2 and x.is_static and x.dtype is DType.i8,
            f"pack_blocks takes static i8 [K, N], not {x}",
            operand=0,
            label=f"is {x}",
        )
        blocks = units[0].dims[0]
        return TensorType(
            DType.u32, (-(-x.dims[1] // self.nr) * self.layout(x, blocks, len(units)).panel,)
        )

    def eval(self, x: Array, *units: Array) -> Array:
        blocks, bits = units[0].shape[0], WORD_BITS // self.kr
        padding = ((0, 0), (0, -x.shape[1] % self.nr))
        held = np.pad(x.view(np.uint8) & np.uint8((1 << bits) - 1), padding)
        places = held.reshape(blocks, -1, self.kr, held.shape[1])
        words = np.zeros((*places.shape[:2], held.shape[1]), np.uint32)
        for place in range(self.kr):
            words |= places[:, :, place].astype(np.uint32) << np.uint32(bits * place)
        floats = [np.pad(np.asarray(unit, np.float32), padding).view(np.uint32) for unit in units]
        rows = np.concatenate([*(unit[:, None] for unit in floats), words], 1)
        split = rows.reshape(*rows.shape[:2], -1, self.nr)
        return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(-1)

    def layout(self, x: TensorType, blocks: int, units: int) -> BlockPack:
        """How `Contract` reads the result."""
        rows = blocks * units + x.dims[0] // self.kr
        return BlockPack(nr=self.nr, kr=self.kr, panel=rows * self.nr, units=units)
