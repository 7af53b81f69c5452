"""Elementwise ops of one operand: ordinary and extreme numbers, narrow and wide types."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, f32, node_case, seeded

SPECIAL = f32([np.nan, np.inf, -np.inf, 0, -0.0, 1e-30, -1e-30, 88.7, -104, 1e30, -1e30])
HALVES = f32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49, -3.51])
INTEGERS = np.array([-(2**31), -7, -1, 0, 1, 6, 2**31 - 1], np.int32)
UNIT = np.tanh(seeded(3, 7))
"""Numbers between -1 and 1."""


def all_types(op_type: str, x: Array, **attributes: Any) -> list[Case]:
    """The op on x, on no element, and on one element, as f32; on x as f16 and f64."""
    one: Array = x.ravel()[:1].reshape(())
    operands = [x, x[:0], one, x.astype(np.float64), x.astype(np.float16)]
    return [node_case(op_type, each, **attributes) for each in operands]


ANYWHERE = [
    node_case(op_type, x)
    for op_type in ("Abs", "Neg", "Ceil", "Floor", "Round", "Sign", "Sqrt", "Reciprocal", "Exp")
    for x in (seeded(3, 7), SPECIAL, seeded(5).astype(np.float64), seeded(1, 5).astype(np.float16))
]

ROUNDING = [node_case(op_type, HALVES) for op_type in ("Round", "Floor", "Ceil")]

TRANSCENDENTAL = [
    *(node_case(op_type, 3 * seeded(2, 13)) for op_type in ("Sin", "Cos", "Tan", "Atan", "Asinh")),
    *(node_case(op_type, UNIT) for op_type in ("Asin", "Acos", "Atanh")),
    *(node_case(op_type, SPECIAL) for op_type in ("Log", "Tanh", "Erf", "Atan", "Acosh")),
    *(node_case(op_type, seeded(2, 13)) for op_type in ("Sinh", "Cosh", "Tanh", "Erf")),
    node_case("Log", np.abs(seeded(17))),
    node_case("Acosh", 1 + np.abs(seeded(17))),
]

ACTIVATIONS = [
    *all_types("Relu", seeded(3, 7)),
    *all_types("LeakyRelu", seeded(3, 7), alpha=0.2),
    *all_types("Sigmoid", 20 * seeded(3, 7)),
    *(
        node_case(op_type, 4 * seeded(3, 7))
        for op_type in ("HardSigmoid", "Selu", "Softplus", "Softsign", "ThresholdedRelu", "Celu")
    ),
    *(node_case(op_type, SPECIAL[3:]) for op_type in ("Softplus", "Softsign", "Sigmoid", "Tanh")),
    node_case("Elu", seeded(3, 7)),
    node_case("Elu", SPECIAL[3:], alpha=2.0),
    node_case("HardSigmoid", 4 * seeded(11), alpha=0.3, beta=0.25),
    node_case("Selu", seeded(11), alpha=2.0, gamma=3.0),
    node_case("Celu", seeded(11), alpha=0.5),
    node_case("ThresholdedRelu", seeded(11), alpha=0.25),
    node_case("Shrink", seeded(11), lambd=0.75, bias=0.25),
    node_case("Shrink", np.array([-3, -1, 0, 2], np.int8), lambd=1.0, bias=1.0),
    node_case("HardSwish", 4 * seeded(11)),
    node_case("Mish", 4 * seeded(11), opset=18),
    node_case("Mish", SPECIAL[3:], opset=18),
    node_case("Gelu", 2 * seeded(11), opset=20),
    node_case("Gelu", 2 * seeded(11), opset=20, approximate="tanh"),
    node_case("Gelu", SPECIAL[3:], opset=20, approximate="tanh"),
    node_case("Gelu", seeded(3, 5).astype(np.float16), opset=20),
    node_case("Swish", seeded(3, 5), opset=24, alpha=1.5),
]

PREDICATES = [
    node_case("IsNaN", SPECIAL),
    node_case("IsInf", SPECIAL),
    node_case("IsInf", SPECIAL, detect_negative=0),
    node_case("IsInf", SPECIAL.astype(np.float64), detect_positive=0),
    node_case("Not", np.array([[True, False, True]])),
    node_case("BitwiseNot", INTEGERS, opset=18),
]

ON_INTEGERS = [
    *(node_case(op_type, INTEGERS) for op_type in ("Abs", "Neg", "Sign", "Relu")),
    *(node_case(op_type, INTEGERS.astype(np.int8)) for op_type in ("Abs", "Neg", "Sign", "Relu")),
    *(node_case("Sign", INTEGERS.astype(dtype)) for dtype in (np.uint8, np.uint64, np.int64)),
]

CASES = [*ANYWHERE, *ROUNDING, *TRANSCENDENTAL, *ACTIVATIONS, *PREDICATES, *ON_INTEGERS]
