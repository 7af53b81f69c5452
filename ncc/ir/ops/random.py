"""random_uniform, random_normal, multinomial: numbers that differ from run to run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import DType, TensorType


@dataclass(frozen=True)
class Random(Op):
    """With a `seed` the numbers are the same in every run."""

    host_only = True
    pure = False

    def generator(self, seed: float | None) -> np.random.Generator:
        """A source of random numbers."""
        bits = None if seed is None else int(np.float32(seed).view(np.uint32))
        return np.random.default_rng(bits)


@op("random_uniform")
class RandomUniform(Random):
    """A tensor of `type` whose elements are equally likely anywhere in low .. high."""

    type: TensorType
    low: float = 0.0
    high: float = 1.0
    seed: float | None = None

    def infer(self) -> TensorType:
        return self.type

    def eval(self) -> Array:
        drawn = self.generator(self.seed).uniform(self.low, self.high, self.type.dims)
        return drawn.astype(self.type.dtype.numpy)


@op("random_normal")
class RandomNormal(Random):
    """A tensor of `type` whose elements are normally distributed."""

    type: TensorType
    mean: float = 0.0
    scale: float = 1.0
    seed: float | None = None

    def infer(self) -> TensorType:
        return self.type

    def eval(self) -> Array:
        drawn = self.generator(self.seed).normal(self.mean, self.scale, self.type.dims)
        return drawn.astype(self.type.dtype.numpy)


@op("multinomial")
class Multinomial(Random):
    """Per row of x [batch, classes], `count` classes drawn with weights exp(x)."""

    count: int
    dtype: DType = DType.i32
    seed: float | None = None

    def infer(self, x: TensorType) -> TensorType:
        require(x.rank == 2, f"multinomial needs [batch, classes], not {x}", operand=0)
        return TensorType(self.dtype, (x.shape[0], self.count))

    def eval(self, x: Array) -> Array:
        """The largest of x plus Gumbel noise is distributed like softmax(x)."""
        noise = self.generator(self.seed).gumbel(size=(self.count, *x.shape))
        return np.asarray(np.argmax(x + noise, 2).T, self.dtype.numpy)
