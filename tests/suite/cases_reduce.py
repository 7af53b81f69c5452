"""Reductions, arg-extrema and cumulative ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, f32, node_case, seeded

X = seeded(2, 3, 1, 7)
NAN = f32([[1, np.nan, 3], [4, 5, -np.inf]])
TIES = f32([[2, 5, 5, 1], [0, 0, -3, -3]])
UNUSUAL = f32([[1, np.inf, 2, -np.inf, 3], [1, 2, np.nan, 4, np.inf], [-0.0, -0.0, 0, -0.0, 0]])
HUGE = np.full(50, 2**61, np.int64)
INTEGERS = np.arange(-12, 12, dtype=np.int32).reshape(2, 3, 4)
REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin")
NORMS = ("ReduceL1", "ReduceL2", "ReduceSumSquare")
LOGARITHMS = ("ReduceLogSum", "ReduceLogSumExp")


def reduce(op: str, x: Array, axes: list[int] | None, opset: int = 17, **flags: Any) -> Case:
    """A reduction whose axes are an attribute or an operand, as the opset has it."""
    if op != "ReduceSum" and opset < 18:
        attributes = flags if axes is None else {**flags, "axes": axes}
        return node_case(op, x, opset=opset, **attributes)
    operand = () if axes is None else (Const(np.array(axes, np.int64)),)
    return node_case(op, x, *operand, opset=opset, name=f"{op} {x.dtype} {axes} {flags}", **flags)


PLAIN = [
    *(reduce(op, X, [1, 3]) for op in REDUCTIONS + NORMS),
    *(reduce(op, X, [-1], opset=18, keepdims=0) for op in REDUCTIONS + NORMS),
    *(reduce(op, X, None, keepdims=0) for op in REDUCTIONS + NORMS),
    *(reduce(op, X, [2]) for op in REDUCTIONS),
    *(reduce(op, NAN, [1]) for op in ("ReduceSum", "ReduceMean", "ReduceProd")),
    *(reduce(op, INTEGERS, [0, 2]) for op in REDUCTIONS + NORMS),
    *(reduce(op, INTEGERS.astype(np.int64), [1]) for op in ("ReduceSum", "ReduceMax", "ReduceMin")),
    *(reduce(op, X.astype(np.float64), [0]) for op in ("ReduceSum", "ReduceMean", "ReduceMax")),
    *(reduce(op, INTEGERS.astype(np.int8), [1]) for op in ("ReduceMax", "ReduceMin")),
    *(reduce(op, INTEGERS.astype(np.uint8), [1]) for op in ("ReduceMax", "ReduceMin")),
    *(reduce(op, X.astype(np.float16), [1]) for op in ("ReduceSum", "ReduceMean", "ReduceMax")),
    *(reduce(op, np.array(3, np.float32), None) for op in ("ReduceSum", "ReduceMean")),
    *(reduce(op, INTEGERS % 3 == 0, [1], opset=20) for op in ("ReduceMax", "ReduceMin")),
    node_case("ReduceSum", X[:, :0], Const(np.array([1])), keepdims=0),
    reduce("ReduceProd", X[:, :0], [1], opset=18),
    reduce("ReduceMean", 1000 + np.ones((3, 257), np.float16), [1]),
    reduce("ReduceSum", X, [], noop_with_empty_axes=1),
    reduce("ReduceSum", X, []),
    node_case("ReduceSum", X, np.array([0, -1]), name="ReduceSum along axes from an input"),
    node_case(
        "ReduceL2", X, np.array([0, -1]), keepdims=0, opset=18, name="ReduceL2 along input axes"
    ),
]

LOGARITHMIC = [
    *(reduce(op, np.abs(X), [1]) for op in LOGARITHMS),
    *(reduce(op, np.abs(X), [3, 0], opset=18, keepdims=0) for op in LOGARITHMS),
    reduce("ReduceLogSumExp", 300 * X, [1, 2]),
    reduce("ReduceLogSumExp", f32([[-np.inf, -np.inf], [0, np.inf]]), [1], keepdims=0),
    node_case(
        "ReduceLogSumExp",
        X,
        np.array([1]),
        keepdims=0,
        opset=18,
        name="ReduceLogSumExp along axes from an input",
    ),
]

EXTREMA = [
    *(node_case(op, X, axis=3) for op in ("ArgMax", "ArgMin")),
    *(node_case(op, TIES, axis=-1, keepdims=0) for op in ("ArgMax", "ArgMin")),
    *(node_case(op, TIES, axis=1, select_last_index=1) for op in ("ArgMax", "ArgMin")),
    *(node_case(op, INTEGERS, axis=1) for op in ("ArgMax", "ArgMin")),
    *(node_case(op, X.astype(np.float64), opset=11) for op in ("ArgMax", "ArgMin")),
    *(node_case(op, INTEGERS.astype(np.uint8), axis=2, keepdims=0) for op in ("ArgMax", "ArgMin")),
]


def cumsum(x: Array, axis: int, **flags: Any) -> Case:
    name = f"CumSum {x.dtype}{list(x.shape)} {axis} {flags}"
    return node_case("CumSum", x, Const(np.array(axis, np.int64)), name=name, **flags)


CUMULATIVE = [
    *(cumsum(X, axis) for axis in range(4)),
    cumsum(X, -1, exclusive=1),
    cumsum(X, 1, reverse=1),
    cumsum(X, 1, exclusive=1, reverse=1),
    cumsum(INTEGERS, 2, reverse=1),
    cumsum(INTEGERS.astype(np.int64), 0, exclusive=1),
    cumsum(X.astype(np.float64), 3),
    cumsum(seeded(100), 0),
    cumsum(seeded(3, 157), 1),
    cumsum(seeded(3, 157), 1, exclusive=1),
    cumsum(seeded(3, 157), 1, exclusive=1, reverse=1),
    cumsum(seeded(2, 9, 301), 1),
    cumsum(seeded(2, 9, 301), 1, exclusive=1, reverse=1),
    cumsum(seeded(5, 0, 3), 2),
    cumsum(seeded(5, 1, 7), 1, exclusive=1),
    cumsum(seeded(2, 37).astype(np.float16), 1),
    cumsum(seeded(37, 6).astype(np.float16), 0),
    cumsum(HUGE, 0),
    cumsum(HUGE.reshape(-1, 1, 5), 0, reverse=1),
    cumsum(UNUSUAL, 1),
    cumsum(UNUSUAL.T.copy(), 0),
    node_case("CumSum", X, np.array(1), name="CumSum along an axis from an input"),
]

CASES: list[Case] = [*PLAIN, *LOGARITHMIC, *EXTREMA, *CUMULATIVE]
