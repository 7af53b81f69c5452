"""dft: the discrete Fourier transform."""

from __future__ import annotations

import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, counting, part
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.arithmetic import Mul, Neg
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.remainder import Mod
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.trigonometry import Cos, Sin
from ncc.ir.types import DType, TensorType


@op("dft")
class Dft(Op):
    """x [..., n, 1] of reals or [..., n, 2] of complex numbers -> [..., bins, 2].

    X[k] is the sum of x[j] * exp(-2 pi i j k / length) over `length` elements, x being cut or
    filled with zeros; the inverse has the other sign and is divided by length. `onesided` gives
    the bins 0 .. length / 2 alone. Done in `dtype.compute`.
    """

    length: int
    onesided: bool = False
    inverse: bool = False

    @property
    def bins(self) -> int:
        return self.length // 2 + 1 if self.onesided else self.length

    def infer(self, x: TensorType) -> TensorType:
        require(
            x.rank >= 2 and x.shape[-1] in (1, 2) and x.dtype.is_float and self.length > 0,
            f"dft of {x}",
            hint="the last axis holds one real or two parts of a complex number",
            operand=0,
        )
        return x.with_shape((*x.shape[:-2], self.bins, 2))

    def eval(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        numbers = wide[..., 0] + 1j * wide[..., 1] if x.shape[-1] == 2 else wide[..., 0]
        transform = np.fft.ifft if self.inverse else np.fft.fft
        made = transform(numbers, self.length)[..., : self.bins]
        return np.stack([made.real, made.imag], -1).astype(x.dtype)

    def decompose(self, build: Builder, x: Value) -> Value | None:
        """A product with the matrix of sines and cosines, rows and columns in pairs of parts."""
        if not x.tensor.is_static:
            return None
        *batch, n, parts = x.tensor.dims
        used = min(n, self.length)
        inner = x.tensor.dtype.compute
        taken = build(Cast(inner), part(build, x, x.tensor.rank - 2, 0, used))
        flat = build(Reshape((*batch, 1, used * parts)), taken)
        made = build(MatMul(), flat, self._matrix(build, used, parts, inner))
        return build(Cast(x.tensor.dtype), build(Reshape((*batch, self.bins, 2)), made))

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return 2 * operands[0].size * 2 * self.bins

    def _matrix(self, build: Builder, n: int, parts: int, dtype: DType) -> Value:
        """[n * parts, bins * 2]: what each part of an element gives to each part of a bin."""
        j = counting(build, 2, 0, n, DType.i64)
        k = counting(build, 2, 1, self.bins, DType.i64)
        turns = build(Mod(), build(Mul(), j, k), constant(build, self.length, DType.i64))
        unit = constant(build, 2 * math.pi / self.length, DType.f64)
        angle = build(Mul(), build(Cast(DType.f64), turns), unit)
        scale = constant(build, 1 / self.length if self.inverse else 1, DType.f64)
        cos, sin = (build(Mul(), build(f, angle), scale) for f in (Cos(), Sin()))
        minus = build(Neg(), sin)
        rows = [(cos, sin if self.inverse else minus), (minus if self.inverse else sin, cos)]
        single = Reshape((n, 1, self.bins, 1))
        pairs = [build(Concat(3), *(build(single, value) for value in row)) for row in rows[:parts]]
        whole = build(Concat(1), *pairs)
        return build(Reshape((n * parts, self.bins * 2)), build(Cast(dtype), whole))
