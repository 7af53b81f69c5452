"""Contractions for tests: kernels that multiply, their operands, and the exact sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ncc.backends.cpu.kernels.pack import PackPanels
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Contract,
    Expr,
    For,
    Kernel,
    Load,
    Local,
    LoopMath,
    Role,
    Stmt,
    Store,
    Var,
)
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import Tiling, choose
from ncc.ir.op import Array
from ncc.ir.scalar import limits
from ncc.ir.types import DType, TensorType

MATH = LoopMath()


@dataclass(frozen=True)
class Sum:
    """What a body may read: the sum, its row and column, and their numbers."""

    acc: Local
    row: Expr
    column: Expr
    rows: int
    columns: int

    @property
    def place(self) -> Expr:
        """Where a dense result has this element."""
        return self.row * self.columns + self.column

    def buffer(self, name: str, dtype: DType, size: int = 0, role: Role = Role.output) -> Buffer:
        return Buffer(name, dtype, size or self.rows * self.columns, role)


Body = Callable[[Sum], tuple[tuple[Buffer, ...], tuple[Stmt, ...]]]
"""The buffers that a body adds, and its statements."""


@dataclass(frozen=True)
class Problem:
    """A kernel, its operands A and packed B, and `exact` sums with `bound` on their error."""

    kernel: Kernel
    a: Array
    b: Array
    exact: Array
    bound: Array


def sum_type(dtype: DType) -> DType:
    """The type of sums of products of `dtype`."""
    if dtype.is_int:
        return DType.i32
    return DType.f64 if dtype is DType.f64 else DType.f32


def right_type(dtype: DType) -> DType:
    """The type of what elements of `dtype` are multiplied by."""
    return DType.i8 if dtype is DType.u8 else dtype


def keep(dtype: DType) -> Body:
    """The body that stores the sums, converted to `dtype`."""

    def body(sums: Sum) -> tuple[tuple[Buffer, ...], tuple[Stmt, ...]]:
        out = sums.buffer("out", dtype)
        return (out,), (Store(out, sums.place, MATH.cast(sums.acc, dtype)),)

    return body


def draw(dtype: DType, *shape: int, seed: int = 0) -> Array:
    """Elements that are seldom round numbers; any integers of 8 bits, small ones of more."""
    rng = np.random.default_rng([seed, *shape])
    if dtype.is_int:
        low, high = limits(dtype) if dtype.itemsize == 1 else (-9, 9)
        return rng.integers(int(low), int(high) + 1, shape).astype(dtype.numpy)
    return rng.standard_normal(shape).astype(dtype.numpy)


def matmul(
    rows: int,
    columns: int,
    depth: int,
    dtype: DType,
    target: Target,
    *,
    body: Body | None = None,
    tile: Tiling | None = None,
    parallel: bool = False,
) -> Problem:
    """[rows, depth] by [depth, columns]."""
    tile = tile or choose(rows, columns, depth, dtype, target)
    right = right_type(dtype)
    a, weight = draw(dtype, rows, depth), draw(right, 1, columns, 1, depth, seed=1)
    pack = PackPanels(tile.columns, tile.kr)
    m, n, k = Var("m"), Var("n"), Var("k")
    acc = Local("acc", sum_type(dtype))
    a_buffer = Buffer("a", dtype, a.size, Role.input)
    b_buffer = Buffer("b", right, pack.eval(weight).size, Role.input)
    extra, stmts = (body or keep(acc.dtype))(Sum(acc, m, n, rows, columns))
    contract = Contract(
        m=((m, rows),),
        n=n,
        columns=columns,
        k=((k, depth),),
        a=Load(a_buffer, m * depth + k),
        b=Load(b_buffer, k * 0),
        pack=pack.layout(TensorType(dtype, weight.shape)),
        acc=acc,
        body=stmts,
        tile=tile.shape,
        parallel=parallel,
    )
    kernel = Kernel("matmul", (a_buffer, b_buffer, *extra), (), (contract,))
    exact, bound = _products(a, weight[0, :, 0], acc.dtype)
    return Problem(kernel, a, pack.eval(weight), exact, bound)


def _products(a: Array, columns: Array, dtype: DType) -> tuple[Array, Array]:
    """Sums of products of rows and columns, and how far off rounded sums may be."""
    wider = np.longdouble if dtype is DType.f64 else np.float64
    rows, others = (np.asarray(x, wider) for x in (a, columns.T))
    with np.errstate(all="ignore"):
        exact = np.matmul(rows, others)
        sizes = np.matmul(abs(rows), abs(others))
    if dtype.is_int:
        return exact, sizes * 0
    return exact, (a.shape[-1] + 2) * np.finfo(dtype.numpy).eps * sizes


@dataclass(frozen=True)
class Conv:
    """A convolution over a channels-last input that is padded already."""

    size: tuple[int, int]
    channels: int
    out: int
    taps: tuple[int, int] = (3, 3)
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    batch: int = 1

    @property
    def out_size(self) -> tuple[int, int]:
        height, width = (
            (size - (taps - 1) * self.dilation - 1) // self.stride + 1
            for size, taps in zip(self.size, self.taps, strict=True)
        )
        return height, width

    @property
    def merged(self) -> bool:
        """Whether a row of taps reads neighbouring elements."""
        return self.dilation == 1 and self.groups == 1

    def patches(self, x: Array) -> Array:
        """What each output pixel reads: [groups, pixels, elements]."""
        height, width = self.out_size
        taps = [
            x[
                :,
                ky * self.dilation :: self.stride,
                kx * self.dilation :: self.stride,
            ][:, :height, :width]
            for ky, kx in np.ndindex(*self.taps)
        ]
        split = np.stack(taps, 3).reshape(-1, len(taps), self.groups, self.channels // self.groups)
        return split.transpose(2, 0, 1, 3).reshape(self.groups, split.shape[0], -1)


def conv(shape: Conv, dtype: DType, target: Target, *, body: Body | None = None) -> Problem:
    """The convolution `shape`, with a row of taps as one run where they are neighbours."""
    (height, width), (kh, kw), (_, pitch) = shape.out_size, shape.taps, shape.size
    inputs, outputs = shape.channels // shape.groups, shape.out // shape.groups
    g, b, y, x, n = (Var(name) for name in ("g", "b", "y", "x", "n"))
    ky, kx, c = Var("ky"), Var("kx"), Var("c")
    row = (b * shape.size[0] + y * shape.stride + ky * shape.dilation) * pitch + x * shape.stride
    if shape.merged:
        k: tuple[tuple[Var, int], ...] = ((ky, kh), (c, kw * inputs))
        tap: Expr = ky
        a_index = row * shape.channels + c
    else:
        k = ((ky, kh), (kx, kw), (c, inputs))
        tap = ky * kw + kx
        a_index = (row + kx * shape.dilation) * shape.channels + g * inputs + c
    a = draw(dtype, shape.batch, *shape.size, shape.channels)
    run = k[-1][1]
    weight = draw(right_type(dtype), shape.groups, outputs, kh * kw * inputs // run, run, seed=1)
    tile = choose(width, outputs, kh * kw * inputs, dtype, target, outer=height)
    pack = PackPanels(tile.columns, tile.kr)
    layout = pack.layout(TensorType(dtype, weight.shape))
    packed = pack.eval(weight)
    acc = Local("acc", sum_type(dtype))
    a_buffer = Buffer("a", dtype, a.size, Role.input)
    b_buffer = Buffer("b", right_type(dtype), packed.size, Role.input)
    pixel = (b * height + y) * width + x
    sums = Sum(acc, pixel, g * outputs + n, shape.batch * height * width, shape.out)
    extra, stmts = (body or keep(acc.dtype))(sums)
    contract = Contract(
        m=((b, shape.batch), (y, height), (x, width)),
        n=n,
        columns=outputs,
        k=k,
        a=Load(a_buffer, a_index),
        b=Load(
            b_buffer,
            g * (packed.size // shape.groups) + tap * (layout.panel // weight.shape[2]),
        ),
        pack=layout,
        acc=acc,
        body=stmts,
        tile=tile.shape,
    )
    kernel = Kernel("conv", (a_buffer, b_buffer, *extra), (), (For(g, shape.groups, (contract,)),))
    products = [
        _products(patches, columns.reshape(outputs, -1), acc.dtype)
        for patches, columns in zip(shape.patches(a), weight, strict=True)
    ]
    exact, bound = (np.concatenate(parts, 1) for parts in zip(*products, strict=True))
    return Problem(kernel, a, packed, exact, bound)
