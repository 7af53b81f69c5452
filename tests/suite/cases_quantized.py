"""Products of quantized tensors."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Array, Case, Const, node_case


def scale(*values: float) -> Const:
    return Const(np.array(values if len(values) > 1 else values[0], np.float32))


def zero(value: int, dtype: type[np.integer] = np.uint8) -> Const:
    return Const(np.array(value, dtype))


def drawn(*shape: int, dtype: type[np.integer] = np.uint8, seed: int = 0) -> Array:
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max, shape, dtype, endpoint=True)


A, X = drawn(5, 7), drawn(1, 3, 6, 5)
B, W = Const(drawn(7, 3, dtype=np.int8, seed=1)), Const(drawn(4, 3, 3, 2, dtype=np.int8, seed=2))
BIAS = Const(np.array([100, -2000, 3, 40000], np.int32))
RESULT = (scale(3.7), zero(120))
ONE_MORE = [Const(drawn(7, columns, dtype=np.int8, seed=columns)) for columns in (1, 17, 33, 129)]
"""Columns of which vectors leave one."""

REAL = np.random.default_rng(3).normal(1, 2, (5, 7)).astype(np.float32)

CASES: list[Case] = [
    node_case("DynamicQuantizeLinear", REAL, outputs=3),
    node_case("DynamicQuantizeLinear", np.abs(REAL), outputs=3),
    node_case("DynamicQuantizeLinear", -np.abs(REAL), outputs=3),
    node_case("DynamicQuantizeLinear", np.zeros((2, 3), np.float32), outputs=3),
    node_case("MatMulInteger", A, B),
    node_case("MatMulInteger", A, B, zero(5), zero(-2, np.int8)),
    node_case("MatMulInteger", A, B, zero(4), Const(np.array([1, -2, 3], np.int8))),
    node_case("ConvInteger", X, Const(drawn(2, 3, 3, 2)), zero(7), zero(3), strides=[2, 1]),
    node_case("QLinearMatMul", A, scale(0.02), zero(3), B, scale(0.5), zero(0, np.int8), *RESULT),
    *(
        node_case(
            "QLinearMatMul", A, scale(0.02), zero(3), b, scale(0.5), zero(0, np.int8), *RESULT
        )
        for b in ONE_MORE
    ),
    node_case("QLinearConv", X, scale(0.02), zero(3), W, scale(0.5), zero(0, np.int8), *RESULT),
    node_case(
        "QLinearConv",
        X,
        scale(0.02),
        zero(130),
        W,
        scale(0.5, 0.1, 0.02, 0.3),
        Const(np.zeros(4, np.int8)),
        *RESULT,
        BIAS,
        pads=[1, 0, 1, 1],
    ),
]
