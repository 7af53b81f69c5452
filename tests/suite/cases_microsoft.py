"""Ops of com.microsoft that quantizers and optimisers of models leave behind."""

from __future__ import annotations

from functools import partial

import numpy as np
from onnx import helper

from tests.suite.case import Array, Case, Const, node_case, seeded

microsoft = partial(node_case, domain="com.microsoft", opset=1)

X, MORE = seeded(2, 5, 7), seeded(2, 5, 7, seed=1)
SCALE, BIAS, SHIFT = (Const(seeded(7, seed=seed)) for seed in (2, 3, 4))
IMAGE, FILTERS = seeded(1, 3, 6, 5), Const(seeded(4, 3, 3, 3, seed=5))

FUSED = [
    microsoft("FusedConv", IMAGE, FILTERS, activation="Relu"),
    microsoft(
        "FusedConv",
        IMAGE,
        FILTERS,
        Const(seeded(4)),
        seeded(1, 4, 6, 5),
        pads=[1, 1, 1, 1],
        activation="LeakyRelu",
        activation_params=[0.2],
    ),
    microsoft(
        "FusedGemm",
        X[0],
        Const(seeded(4, 7)),
        Const(seeded(4)),
        transB=1,
        activation="LeakyRelu",
        activation_alpha=0.3,
    ),
    microsoft("FusedMatMul", X, seeded(2, 5, 3), transA=1, alpha=0.5),
    microsoft("FusedMatMul", X, MORE, transB=1),
    microsoft("FusedMatMul", seeded(4, 2, 5, 7), seeded(2, 5, 7, 3), transBatchA=1),
    microsoft(
        "FusedMatMul",
        seeded(4, 2, 7),
        seeded(6, 2, 4),
        transBatchA=1,
        transA=1,
        transBatchB=1,
        transB=1,
    ),
    microsoft("Gelu", X),
    microsoft("BiasGelu", X, BIAS),
    microsoft("FastGelu", X),
    microsoft("FastGelu", X, BIAS),
    microsoft("QuickGelu", X, alpha=1.5),
    microsoft("SkipLayerNormalization", X, MORE, SCALE, BIAS),
    microsoft("SkipLayerNormalization", X, MORE, SCALE, BIAS, SHIFT, epsilon=0.1),
    microsoft("SkipSimplifiedLayerNormalization", X, MORE, SCALE, SHIFT),
    node_case("SimplifiedLayerNormalization", X, SCALE, axis=-1, epsilon=0.01),
]


def bytes_of(*shape: int, seed: int, signed: bool = False) -> Array:
    """Random integers of 8 bits."""
    numbers = np.random.default_rng(seed).integers(0, 256, shape)
    return (numbers - 128).astype(np.int8) if signed else numbers.astype(np.uint8)


def unit(scale: float, zero: int, *, signed: bool = False) -> tuple[Const, Const]:
    """A scale and a zero point."""
    point = np.array(zero, np.int8 if signed else np.uint8)
    return Const(np.array(scale, np.float32)), Const(point)


def of_opset(version: int, case: Case) -> Case:
    """The case with an attribute that names a version."""
    case.model.graph.node[0].attribute.append(helper.make_attribute("opset", version))
    return case


Q, QB = bytes_of(2, 5, 7, seed=6), bytes_of(2, 5, 7, seed=7)
MAP = bytes_of(1, 6, 5, 3, seed=8)
IN, OTHER, OUT = unit(0.02, 120), unit(0.015, 131), unit(0.0371, 117)
ROWS, COLUMNS = bytes_of(5, 9, seed=9), bytes_of(9, 6, seed=10, signed=True)
PER_COLUMN = Const(np.abs(seeded(6, seed=11)) * np.float32(0.01))
NO_POINTS = Const(np.zeros(6, np.int8))
SUMS = Const(np.arange(6, dtype=np.int32) * 100)

QUANTIZED = [
    microsoft("QuantizeLinear", X, *unit(0.02, 12)),
    microsoft("DequantizeLinear", ROWS.T[:6], PER_COLUMN, Const(bytes_of(6, seed=12)), axis=0),
    microsoft("QLinearAdd", Q, *IN, QB, *OTHER, *OUT),
    microsoft("QLinearMul", Q, *IN, QB[0], *OTHER, *OUT),
    microsoft("QLinearSigmoid", Q, *IN, *unit(1 / 256, 0)),
    microsoft("QLinearLeakyRelu", Q, *IN, *OUT, alpha=0.1),
    of_opset(13, microsoft("QLinearSoftmax", Q, *IN, *unit(1 / 256, 0), axis=-1)),
    of_opset(11, microsoft("QLinearSoftmax", Q, *IN, *unit(1 / 256, 0), axis=1)),
    microsoft("QLinearGlobalAveragePool", MAP, *IN, *OUT),
    microsoft("QLinearGlobalAveragePool", MAP, *IN, *OUT, channels_last=1),
    microsoft("QLinearAveragePool", MAP, *IN, *OUT, kernel_shape=[2, 2]),
    microsoft("QLinearConcat", *OUT, Q, *IN, QB, *OTHER, axis=1),
    microsoft("QGemm", ROWS, *IN, Const(COLUMNS), *unit(0.01, 0, signed=True), SUMS, *OUT),
    microsoft("QGemm", ROWS, *IN, Const(COLUMNS.T), PER_COLUMN, NO_POINTS, SUMS, transB=1),
    microsoft("MatMulIntegerToFloat", ROWS, Const(COLUMNS), IN[0], PER_COLUMN, IN[1]),
    microsoft("DynamicQuantizeMatMul", X, Const(bytes_of(7, 6, seed=20)), *unit(0.01, 120)),
    microsoft("DynamicQuantizeMatMul", X, Const(COLUMNS[:7]), PER_COLUMN, NO_POINTS, None),
]

TOKENS, PROJECTIONS = bytes_of(2, 5, 12, seed=22), Const(bytes_of(12, 36, seed=23, signed=True))
ADDED, EACH = Const(seeded(36, seed=24)), Const(np.abs(seeded(36, seed=25)) * np.float32(0.004))
(SMALL, TWELVE), (TINY, THREE) = unit(0.02, 120), unit(0.003, 3, signed=True)
SEEN = np.array([[1, 1, 1, 0, 0], [1] * 5], np.int32)
NOTHING = np.zeros((1, 1), np.int32)
OLD = seeded(2, 2, 3, 4, 4, seed=26)

ATTENTION = [
    microsoft("QAttention", TOKENS, PROJECTIONS, ADDED, SMALL, TINY, num_heads=3),
    microsoft("QAttention", TOKENS, PROJECTIONS, ADDED, SMALL, TINY, NOTHING, num_heads=3),
    microsoft(
        "QAttention",
        TOKENS,
        PROJECTIONS,
        ADDED,
        SMALL,
        EACH,
        SEEN,
        TWELVE,
        Const(np.arange(-18, 18, dtype=np.int8)),
        num_heads=3,
    ),
    microsoft(
        "QAttention",
        TOKENS,
        PROJECTIONS,
        ADDED,
        SMALL,
        TINY,
        None,
        TWELVE,
        THREE,
        OLD,
        num_heads=3,
        unidirectional=1,
        outputs=2,
    ),
]

LONG = seeded(3, 40, seed=13)


def packed(bits: int, *more: Const | None, size: int = 16, x: Array = LONG) -> Case:
    """A product of x [rows, depth] with weights [5, depth] of a few bits, in blocks of `size`."""
    depth = x.shape[-1]
    blocks = -(-depth // size)
    b = Const(bytes_of(5, blocks, size * bits // 8, seed=14))
    scales = Const(np.abs(seeded(5 * blocks, seed=15)))
    return microsoft("MatMulNBits", x, b, scales, *more, K=depth, N=5, bits=bits, block_size=size)


PACKED = [
    packed(4),
    packed(4, Const(bytes_of(5 * 2, seed=16))),
    packed(4, Const(seeded(5 * 3, seed=17)), None, Const(seeded(5, seed=18))),
    packed(8, Const(bytes_of(5 * 3, seed=19))),
    packed(4, size=32),
    packed(4, x=seeded(1, 2, 48)),
    packed(4, Const(bytes_of(5 * 2, seed=21)), x=seeded(1, 48)),
    packed(8, Const(bytes_of(5 * 2, seed=27)), size=32, x=seeded(3, 64)),
    packed(4, None, Const(np.arange(48, dtype=np.int32) % 3), x=seeded(2, 48)),
    packed(4, None, Const(np.arange(48, dtype=np.int32) % 3), x=seeded(2, 45)),
    packed(4, None, None, Const(seeded(5, seed=28)), size=64, x=seeded(2, 2, 64)),
]

ROW_NUMBERS = np.array([[3, 0, 6], [-1, 3, -7]])


def looked_up(bits: int, *points: Const, size: int = 16) -> Case:
    """Rows of a table [7, 48] of a few bits, in blocks of `size`."""
    table = Const(bytes_of(7, 48 * bits // 8, seed=29))
    scales = Const(np.abs(seeded(7, 48 // size, seed=30)))
    return microsoft(
        "GatherBlockQuantized",
        table,
        ROW_NUMBERS,
        scales,
        *points,
        bits=bits,
        block_size=size,
        gather_axis=0,
        quantize_axis=1,
    )


LOOKED_UP = [
    looked_up(4),
    looked_up(4, Const(bytes_of(7, 2, seed=31))),
    looked_up(8, Const(bytes_of(7, 3, seed=32))),
]

CASES: list[Case] = [*FUSED, *QUANTIZED, *ATTENTION, *PACKED, *LOOKED_UP]
