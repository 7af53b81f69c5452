"""Elementwise ops of several operands: broadcasting, integers, extremes, many operands."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, Const, f32, node_case, seeded

A, B = seeded(2, 1, 5), seeded(3, 1, seed=1)
I32 = np.array([[-(2**31), -7, -1, 0, 1, 6, 2**31 - 1]], np.int32)
J32 = np.array([[1], [-3], [5]], np.int32)
U64 = np.array([2**63 + 5], np.uint64)
U8 = np.arange(0, 256, 17, dtype=np.uint8)
NAN = f32([np.nan, 1, -np.inf, 0.0])
YES, NO = np.array([[True], [False]]), np.array([True, False, False])
ARITHMETIC = ("Add", "Sub", "Mul", "Div")
COMPARISONS = ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")


def f16(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16)


ARITHMETIC_CASES = [
    *(node_case(op, A, B) for op in ARITHMETIC),
    *(node_case(op, f16(A), f16(B)) for op in ARITHMETIC),
    *(node_case(op, A.astype(np.float64), Const(B.astype(np.float64))) for op in ARITHMETIC),
    *(node_case(op, I32[:, 1:], J32) for op in ARITHMETIC),
    *(node_case(op, I32.astype(np.int64), J32.astype(np.int64)) for op in ARITHMETIC),
    *(node_case(op, U8, np.maximum(U8, 1).astype(np.uint8), opset=14) for op in ARITHMETIC),
    *(node_case(op, np.array(2.5, np.float32), seeded(2, 0)) for op in ARITHMETIC),
    node_case("Div", NAN, np.array(0.0, np.float32)),
    node_case("Add", A, f32([[[[1]]]]), opset=7),
]

POWERS = [
    node_case("Pow", np.abs(A), B),
    node_case("Pow", A, Const(f32(2))),
    node_case("Pow", A, Const(f32([3.0]))),
    node_case("Pow", A, Const(np.array(2, np.int64))),
    node_case("Pow", A, Const(f32(-1)), name="Pow to the -1"),
    node_case("Pow", NAN, Const(f32(0.3)), name="Pow of extremes"),
    node_case("Pow", np.abs(A).astype(np.float64), Const(f32(0.25))),
    node_case("Pow", J32, Const(np.array(2, np.int32))),
    node_case("Pow", J32.astype(np.int64), Const(np.array(3, np.int64))),
    node_case("Pow", J32.astype(np.int64), np.array([0, 1, 4, 5], np.int64)),
    node_case("Pow", np.array([4, 9, 2], np.int32), f32([0.5, 1.5, 10])),
]

REMAINDERS = [
    node_case("Mod", I32, J32),
    node_case("Mod", I32[:, 1:], J32, fmod=1),
    node_case("Mod", A, B, fmod=1),
    node_case("Mod", U8, np.array(7, np.uint8)),
    node_case("Mod", I32.astype(np.int64), np.array(-4, np.int64)),
    node_case("Mod", NAN, np.array(0.75, np.float32), fmod=1),
]

EXTREMA = [
    *(node_case(op, A, B, seeded(5, seed=3)) for op in ("Max", "Min", "Sum", "Mean")),
    *(node_case(op, A) for op in ("Max", "Min", "Sum", "Mean")),
    *(node_case(op, NAN, f32([1, np.nan, 2, -0.0])) for op in ("Max", "Min")),
    *(node_case(op, I32, J32, opset=12) for op in ("Max", "Min")),
    *(node_case(op, U8, np.array(99, np.uint8), opset=12) for op in ("Max", "Min")),
    *(node_case(op, f16(A), f16(B)) for op in ("Max", "Min")),
    node_case("PRelu", A, B),
    node_case("PRelu", seeded(2, 3, 4), Const(seeded(3, 1, seed=4)), opset=9),
]

CLIPS = [
    node_case("Clip", A, min=-0.5, max=0.5, opset=7),
    node_case("Clip", A, max=0.5, opset=10),
    node_case("Clip", A, Const(f32(-0.5)), Const(f32(0.25)), opset=11),
    node_case("Clip", A, None, Const(f32(0.25)), opset=12),
    node_case("Clip", A, np.array(-0.5, np.float32)),
    node_case("Clip", A, Const(f32(1)), Const(f32(-1)), name="Clip crossed"),
    node_case("Clip", f16(A), Const(np.array(0, np.float16))),
    node_case(
        "Clip",
        I32.astype(np.int64),
        Const(np.array(-3, np.int64)),
        Const(np.array(2**40, np.int64)),
    ),
    node_case("Clip", U8, Const(np.array(20, np.uint8)), np.array(200, np.uint8)),
    node_case("Clip", A),
]

COMPARISON_CASES = [
    *(node_case(op, A, np.round(A[:, :, ::-1])) for op in COMPARISONS),
    *(node_case(op, NAN, NAN[::-1].copy()) for op in COMPARISONS),
    *(node_case(op, I32, J32) for op in COMPARISONS),
    *(node_case(op, I32.astype(np.int64), np.array(0, np.int64)) for op in COMPARISONS),
    *(node_case(op, A, B, opset=9) for op in ("Less", "Greater")),
    node_case("Equal", YES, NO),
    node_case("Equal", A.astype(np.float64), A.astype(np.float64)),
]

LOGIC = [
    *(node_case(op, YES, NO) for op in ("And", "Or", "Xor")),
    *(node_case(op, I32, J32, opset=18) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    *(node_case(op, U8, np.array(0x5A, np.uint8), opset=18) for op in ("BitwiseAnd", "BitwiseXor")),
    *(
        node_case("BitShift", U8[:, None], np.arange(8, dtype=np.uint8), direction=direction)
        for direction in ("LEFT", "RIGHT")
    ),
    node_case(
        "BitShift", np.array([2**63 + 5], np.uint64), np.array([1], np.uint64), direction="RIGHT"
    ),
    node_case("Where", YES, A, seeded(5, seed=5)),
    node_case("Where", NO, np.array([[7], [8]], np.int64), np.array(-1, np.int64)),
    node_case("Where", YES, U8[:5], U8[5:10]),
    node_case("Where", NO, f16(NAN[:3]), f16(B.ravel())),
    node_case("Where", YES[:, :0], A[0, :, :0], A[0, :, :1]),
]

CASES: list[Case] = [
    *ARITHMETIC_CASES,
    *POWERS,
    *REMAINDERS,
    *EXTREMA,
    *CLIPS,
    *COMPARISON_CASES,
    *LOGIC,
]
