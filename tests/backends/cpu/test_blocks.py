"""Products with integers in blocks: the right sums, and which weights are found to be such."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ncc.backends.cpu.kernels.pack import PackBlocks
from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Contract,
    Kernel,
    Load,
    Local,
    Role,
    Var,
    walk,
)
from ncc.backends.cpu.loopir.panels import WORD_BITS, BlockPack
from ncc.backends.cpu.target import TARGETS, Target
from ncc.backends.cpu.tiles import choose
from ncc.ir.types import DType, TensorType
from tests.backends.cpu.contractions import Problem, Sum, draw, keep
from tests.backends.cpu.device_graphs import calls_of
from tests.backends.cpu.test_contract import assert_sums, compute
from tests.guarded import Edge
from tests.machine_code import each_target

WIDTHS = (2, 4, 8)


def blocked(
    rows: int, columns: int, blocks: int, size: int, bits: int, units: int, target: Target
) -> Problem:
    """[rows, blocks * size] by integers with scales, and with zero points if `units` is 2."""
    depth, half = blocks * size, 1 << (bits - 1)
    a = draw(DType.f32, rows, depth)
    whole = np.random.default_rng(columns).integers(-half, half, (depth, columns)).astype(np.int8)
    factors = [draw(DType.f32, blocks, columns, seed=seed) for seed in range(units)]
    tile = choose(rows, columns, depth, DType.f32, target)
    op = PackBlocks(tile.columns, WORD_BITS // bits)
    packed = op.eval(whole, *factors)
    pack = op.layout(TensorType(DType.i8, whole.shape), blocks, units)
    m, n, block, k, acc = Var("m"), Var("n"), Var("b"), Var("k"), Local("acc", DType.f32)
    a_buffer = Buffer("a", DType.f32, a.size, Role.input)
    b_buffer = Buffer("b", DType.u32, packed.size, Role.input)
    extra, stmts = keep(DType.f32)(Sum(acc, m, n, rows, columns))
    contract = Contract(
        m=((m, rows),),
        n=n,
        columns=columns,
        k=((block, blocks), (k, size)),
        a=Load(a_buffer, m * depth + block * size + k),
        b=Load(b_buffer, block * (pack.panel // blocks)),
        pack=pack,
        acc=acc,
        body=stmts,
        tile=tile.shape,
    )
    scale, *point = (np.repeat(np.float64(factor), size, 0) for factor in factors)
    left, right = np.float64(a), (whole - sum(point, np.zeros(1))) * scale
    sizes = abs(left) @ ((abs(whole) + abs(sum(point, np.zeros(1)))) * abs(scale))
    bound = (depth + 4) * np.finfo(np.float32).eps * sizes
    return Problem(
        Kernel("blocks", (a_buffer, b_buffer, *extra), (), (contract,)),
        a,
        packed,
        left @ right,
        bound,
    )


SHAPES = [
    (1, 1, 1, 16),
    (1, 64, 3, 32),
    (2, 33, 2, 16),
    (3, 130, 1, 64),
    (8, 17, 5, 32),
    (1, 7, 2, 128),
]


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("bits", WIDTHS)
@each_target
def test_sums_of_any_shape(target: Target, bits: int, units: int) -> None:
    problems = [blocked(*shape, bits, units, target) for shape in SHAPES]
    for edge in Edge:
        assert_sums(problems, compute(problems, target, edge=edge))


@pytest.mark.parametrize(("bits", "units"), [*itertools.product(WIDTHS, (1, 2))])
def test_loops_mean_the_same(bits: int, units: int) -> None:
    problem = blocked(2, 19, 2, 16, bits, units, TARGETS["x86-64-v3"])
    result = np.zeros(problem.exact.shape, np.float32)
    run_loops(problem.kernel, [problem.a, problem.b, result])
    assert_sums([problem], [result])


def product(rows: int, whole: str, scale: str, *, after: str = "") -> str:
    return f"""graph @g(%x: f32[{rows}, 64]) {{
      %0 = weight "w" : {whole}
      %1 = weight "s" : f32{scale}
      %2 = constant 1 : {whole.partition("[")[0]}[]
      %3 = dequantize(%0, %1, %2)
      {after}
      %7 = matmul(%x, %6)
      return %7
    }}"""


ROWS = "%4 = reshape(%3) {shape = [9, 64]} %6 = transpose(%4) {perm = [1, 0]}"
COLUMNS = "%6 = reshape(%3) {shape = [64, 9]}"
MOVED = "%6 = transpose(%3) {perm = [1, 0]}"
FACTOR = """%4 = reshape(%3) {shape = [64, 9]} %5 = weight "t" : f32[1, 9] %6 = mul(%4, %5)"""
SPREAD = """%4 = reshape(%3) {shape = [64, 1]} %5 = weight "t" : f32[1, 9] %6 = mul(%4, %5)"""
FACTORS = """%5 = weight "t" : f32[64, 9] %6 = mul(%3, %5)"""


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        (product(1, "i4[9, 2, 32]", "[9, 2, 1]", after=ROWS), 4),
        (product(1, "u4[2, 32, 9]", "[2, 1, 9]", after=COLUMNS), 4),
        (product(1, "u8[2, 32, 9]", "[2, 1, 9]", after=COLUMNS), 8),
        (product(1, "i8[9, 64]", "[9, 1]", after=MOVED), 8),
        (product(1, "i4[2, 32, 9]", "[2, 1, 9]", after=FACTOR), 4),
        (product(8, "i4[9, 2, 32]", "[9, 2, 1]", after=ROWS), 4),
        (product(9, "i4[9, 2, 32]", "[9, 2, 1]", after=ROWS), None),
        (product(1, "i4[9, 8, 8]", "[9, 8, 1]", after=ROWS), None),
        (product(1, "i4[9, 2, 32]", "[9, 1, 1]", after=ROWS), None),
        (product(1, "i4[9, 2, 32]", "[9, 2, 32]", after=ROWS), None),
        (product(1, "i4[2, 32, 1]", "[2, 1, 1]", after=SPREAD), None),
        (product(1, "i8[9]", "[9]", after=FACTORS), None),
    ],
)
def test_weights_are_read_as_integers_for_few_rows(text: str, bits: int | None) -> None:
    (call,) = calls_of(text, TARGETS["x86-64-v3"])
    (pack,) = (stmt.pack for stmt in walk(call.kernel.body) if isinstance(stmt, Contract))
    assert (pack.bits if isinstance(pack, BlockPack) else None) == bits
