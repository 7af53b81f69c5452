"""Time contractions on one core: `python bench/contract.py [--target T] [--dtype D] [NAME ...]`.

Prints GFLOP/s per shape and its share of the peak, which is measured in turns with it. Weights are
not in the core's caches when a call starts, as in a network; the other operand is.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from native import SECONDS, Peak, load, median_time
from ncc.backends.cpu.emit.contraction.unit import unit_for
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.kernels.pack import PackPanels
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Contract,
    Expr,
    Kernel,
    Load,
    Local,
    LoopMath,
    Role,
    Store,
    Var,
    apply,
    const,
)
from ncc.backends.cpu.target import Target, resolve
from ncc.backends.cpu.tiles import Tiling, choose
from ncc.backends.interface import NATIVE
from ncc.ir.op import Array
from ncc.ir.types import DType, TensorType

MATH = LoopMath()
ROUNDS = 7
WEIGHT_BYTES = 32 << 20
"""Copies of the weights take turns until they fill this much: more than a core's own caches."""


@dataclass(frozen=True)
class Shape:
    """A contraction: extents and strides of A for the rows and for the sums, and the columns."""

    name: str
    rows: tuple[tuple[int, int], ...]
    sums: tuple[tuple[int, int], ...]
    columns: int

    @property
    def depth(self) -> int:
        return math.prod(extent for extent, _ in self.sums)

    @property
    def flops(self) -> int:
        return 2 * math.prod(extent for extent, _ in self.rows) * self.columns * self.depth

    @property
    def a_size(self) -> int:
        return 1 + sum((extent - 1) * stride for extent, stride in self.rows + self.sums)


def matmul(name: str, rows: int, columns: int, depth: int) -> Shape:
    """[rows, depth] by [depth, columns]."""
    return Shape(name, ((rows, depth),), ((depth, 1),), columns)


def conv(name: str, size: int, channels: int, out: int, taps: int, stride: int = 1) -> Shape:
    """A square convolution over a padded input, `size` pixels wide in its result."""
    pitch = ((size - 1) * stride + taps) * channels
    rows = ((size, stride * pitch), (size, stride * channels))
    return Shape(name, rows, ((taps, pitch), (taps * channels, 1)), out)


SHAPES = (
    conv("resnet50 7x7/2 3-64", 112, 3, 64, 7, 2),
    matmul("resnet50 1x1 64-64", 3136, 64, 64),
    conv("resnet50 3x3 64-64", 56, 64, 64, 3),
    matmul("resnet50 1x1 64-256", 3136, 256, 64),
    matmul("resnet50 1x1 256-64", 3136, 64, 256),
    conv("resnet50 3x3 128-128", 28, 128, 128, 3),
    conv("resnet50 3x3/2 128-128", 28, 128, 128, 3, 2),
    matmul("resnet50 1x1 512-128", 784, 128, 512),
    matmul("resnet50 1x1 128-512", 784, 512, 128),
    conv("resnet50 3x3 256-256", 14, 256, 256, 3),
    matmul("resnet50 1x1 1024-256", 196, 256, 1024),
    matmul("resnet50 1x1 256-1024", 196, 1024, 256),
    conv("resnet50 3x3 512-512", 7, 512, 512, 3),
    matmul("resnet50 1x1 2048-512", 49, 512, 2048),
    matmul("resnet50 1x1 512-2048", 49, 2048, 512),
    matmul("resnet50 classifier", 1, 1000, 2048),
    matmul("bert projection", 128, 768, 768),
    matmul("bert up", 128, 3072, 768),
    matmul("bert down", 128, 768, 3072),
    matmul("minilm up", 128, 1536, 384),
    matmul("vit projection", 197, 768, 768),
    matmul("mobilenet 1x1 16-96", 12544, 96, 16),
    matmul("mobilenet 1x1 96-24", 3136, 24, 96),
    matmul("mobilenet 1x1 144-24", 3136, 24, 144),
    matmul("mobilenet 1x1 960-320", 49, 320, 960),
    conv("yolov4 3x3 32-64", 208, 32, 64, 3, 2),
    conv("yolov4 3x3 512-1024", 13, 512, 1024, 3),
    matmul("attention 128 keys", 128, 128, 64),
)


def main() -> None:
    arguments = parser().parse_args()
    target = resolve(arguments.target)
    wanted = [shape for shape in SHAPES if any(name in shape.name for name in arguments.names)]
    sys.stdout.write(f"{target.name}, one core, with bias and relu\n\n")
    for dtype in arguments.dtype or [DType.f32, DType.bf16]:
        sys.stdout.write(f"{'':24} {'tile':>8} {'GFLOP/s':>9} {'peak':>8} {'share':>6}\n")
        shares = [report(shape, dtype, target) for shape in wanted]
        sys.stdout.write(f"{dtype.value}: geometric mean {geometric_mean(shares):.1%} of peak\n\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Time contractions on one core.")
    made.add_argument("names", nargs="*", default=[""], help="parts of the names of shapes")
    made.add_argument("--target", default=NATIVE)
    made.add_argument("--dtype", type=DType, action="append", help="such as f32; may repeat")
    return made


def report(shape: Shape, dtype: DType, target: Target) -> float:
    """Time `shape`, print it, and return its share of the peak."""
    *around, (rows, _) = shape.rows
    outer = around[-1][0] if around else 1
    tile = choose(rows, shape.columns, shape.depth, dtype, target, outer=outer)
    call = prepare(shape, dtype, tile, target)
    peak = Peak(unit_for(dtype, dtype, tile.kr, target), tile.kr, target)
    rounds = []
    for _ in range(ROUNDS):
        limit = peak.measure()
        reached = shape.flops / median_time(call, seconds=SECONDS)
        rounds.append((reached / limit, reached, limit))
    share, reached, limit = sorted(rounds)[ROUNDS // 2]
    sys.stdout.write(
        f"{shape.name:24} {f'{tile.rows}x{tile.columns}':>8} {reached / 1e9:9.1f} "
        f"{limit / 1e9:8.1f} {share:6.1%}\n"
    )
    sys.stdout.flush()
    return share


def prepare(shape: Shape, dtype: DType, tile: Tiling, target: Target) -> Callable[[], None]:
    """A call that computes `shape` on seeded operands."""
    rng = np.random.default_rng(0)
    pack = PackPanels(tile.columns, tile.kr)
    run = shape.sums[-1][0]
    weight = rng.standard_normal((1, shape.columns, shape.depth // run, run), np.float32)
    kernel = contraction(shape, dtype, tile, pack, TensorType(dtype, weight.shape))
    arrays = [
        rng.standard_normal(shape.a_size, np.float32).astype(dtype.numpy),
        pack.eval(weight.astype(dtype.numpy)),
        rng.standard_normal(shape.columns, np.float32),
        np.zeros(kernel.params[-1].size, dtype.numpy),
    ]
    name = "".join(c if c.isalnum() else "_" for c in f"{shape.name}_{dtype.value}")
    function = load(emit_kernel(kernel, target, name), name, len(arrays) + 2, target)
    weights, *others = (aligned(array) for array in (arrays[1], *arrays[:1], *arrays[2:]))
    copies = [weights, *(aligned(weights) for _ in range(WEIGHT_BYTES // weights.nbytes))]
    turns = itertools.cycle(copies)

    def call() -> None:
        a, bias, out = others
        function(*(array.ctypes.data for array in (a, next(turns), bias, out)), 0, 1)

    return call


def contraction(
    shape: Shape, dtype: DType, tile: Tiling, pack: PackPanels, weight: TensorType
) -> Kernel:
    """The kernel of `shape` with a bias and a rectifier, its result in the operands' type."""
    rows = [Var(f"m{axis}") for axis in range(len(shape.rows))]
    sums = [Var(f"k{axis}") for axis in range(len(shape.sums))]
    column, acc = Var("n"), Local("acc", DType.f64 if dtype is DType.f64 else DType.f32)
    layout = pack.layout(weight)
    a = Buffer("a", dtype, shape.a_size, Role.input)
    b = Buffer("b", dtype, pack.infer(weight).size, Role.input)
    bias = Buffer("bias", DType.f32, shape.columns, Role.input)
    out = Buffer("out", dtype, math.prod(m for m, _ in shape.rows) * shape.columns, Role.output)
    strides = [stride for _, stride in (*shape.rows, *shape.sums)]
    row = dot(rows, [math.prod(m for m, _ in shape.rows[axis + 1 :]) for axis in range(len(rows))])
    value = apply("max", acc + Load(bias, column), 0.0)
    taps = dot(sums[:-1], [layout.panel // weight.dims[2]] * (len(sums) - 1))
    contract = Contract(
        m=tuple((var, extent) for var, (extent, _) in zip(rows, shape.rows, strict=True)),
        n=column,
        columns=shape.columns,
        k=tuple((var, extent) for var, (extent, _) in zip(sums, shape.sums, strict=True)),
        a=Load(a, dot(rows + sums, strides)),
        b=Load(b, taps),
        pack=layout,
        acc=acc,
        body=(Store(out, row * shape.columns + column, MATH.cast(value, dtype)),),
        tile=tile.shape,
        parallel=True,
    )
    return Kernel(shape.name, (a, b, bias, out), (), (contract,))


def dot(variables: Sequence[Expr], strides: Sequence[int]) -> Expr:
    """The sum of variables times strides."""
    total: Expr = const(0)
    for variable, stride in zip(variables, strides, strict=True):
        total = total + variable * stride
    return total


def aligned(array: Array) -> Array:
    """A copy that starts on a cache line."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype)
    copy[:] = array
    return copy


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


if __name__ == "__main__":
    main()
