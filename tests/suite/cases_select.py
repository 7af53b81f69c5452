"""Ops of which the data decides what they keep, and ops that make tensors out of little."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, f32, node_case, seeded
from tests.suite.cases_shape import ints

X = seeded(3, 5, 2)
TIES = f32([[3, 1, 3, 2, 1], [0, 0, 0, 0, 0]])
SPARSE = np.where(seeded(3, 4) > 0.3, seeded(3, 4), f32(0))
LONG = np.round(seeded(3, 2000), 2)
SORTED = np.arange(5000, dtype=np.float32).reshape(1, -1)
KEEP = np.array([True, False, True, True])
WORDS = np.array([2, 1, 1, 3, 4, 3, 2], np.int64)


def scalar(value: float, dtype: type = np.int64) -> Const:
    return Const(np.array(value, dtype))


def topk(x: Array, k: int, axis: int = -1, largest: int = 1) -> Case:
    name = f"TopK {k} of {x.dtype}{list(x.shape)} {axis} {largest}"
    return node_case("TopK", x, ints(k), outputs=2, axis=axis, largest=largest, name=name)


TOPK = [
    node_case("TopK", X, ints(2), outputs=2),
    node_case("TopK", X, ints(3), outputs=2, axis=1, largest=0),
    node_case("TopK", TIES, ints(4), outputs=2),
    node_case("TopK", TIES, ints(4), outputs=2, largest=0, name="TopK smallest of ties"),
    node_case("TopK", TIES.astype(np.int64), ints(5), outputs=2),
    node_case("TopK", X, ints(0), outputs=2, name="TopK of none"),
    *(topk(LONG, k) for k in (20, 300, 1500)),
    *(topk(LONG, k, largest=0) for k in (20, 300, 1500)),
    topk(LONG.T.copy(), 25, axis=0),
    topk(seeded(19, 300), 300),
    topk(seeded(2, 3000).astype(np.float64), 40),
    topk(seeded(2, 900).astype(np.float16), 40),
    topk(np.arange(6000, dtype=np.int64).reshape(2, -1) * 2**40 % 9973 - 5000, 50),
    topk(np.arange(900, dtype=np.int8).reshape(1, -1), 500),
    topk(np.arange(900, dtype=np.uint8).reshape(3, -1), 150, largest=0),
    topk(SORTED, 30),
    topk(SORTED, 30, largest=0),
    topk(np.zeros((1, 5000), np.float32), 30),
    node_case("TopK", X, outputs=2, k=3, axis=1, opset=9),
    node_case("TopK", X, np.array([2]), outputs=2, axis=0, name="TopK of an input"),
]

KEPT = [
    node_case("NonZero", SPARSE),
    node_case("NonZero", Const(SPARSE), name="NonZero of a constant"),
    node_case("NonZero", SPARSE > 0),
    node_case("NonZero", np.zeros((2, 3), np.int32)),
    node_case("Compress", X, Const(KEEP), axis=1, name="Compress by a constant"),
    node_case("Compress", X, KEEP, axis=-2, name="Compress by an input"),
    node_case("Compress", X, Const(KEEP), name="Compress the flat operand"),
    node_case("Compress", X, KEEP[:2], name="Compress the flat operand by an input"),
    node_case("Unique", WORDS, outputs=4),
    node_case("Unique", WORDS, outputs=4, sorted=0),
    node_case("Unique", f32([[1, 0], [2, 2], [1, 0]]), outputs=4, axis=0),
    node_case("Unique", f32([[3, 0, 3], [2, 1, 2]]), outputs=4, axis=1, sorted=0),
]

CORNERS = [[0.0, 0.0, 1.0, 1.0], [1.0, 1.1, 0.0, 0.1], [0.0, -0.1, 1.0, 0.9], [0.0, 9.0, 1.0, 10.0]]
BOXES = f32([CORNERS])
CENTRES = f32([[[0.5, 0.5, 1, 1], [0.5, 0.6, 1, 1], [0.5, 10.5, 1, 1]]])
SCORES = f32([[[0.9, 0.75, 0.6, 0.95], [0.1, 0.75, 0.8, 0.3]]])


def suppress(boxes: Array, scores: Array, *limits: Const | None, **attributes: Any) -> Case:
    shown = [None if limit is None else limit.array.item() for limit in limits]
    name = f"NonMaxSuppression {list(scores.shape)} {shown} {attributes}"
    return node_case("NonMaxSuppression", boxes, scores, *limits, name=name, **attributes)


F32 = np.float32
SUPPRESSED = [
    suppress(BOXES, SCORES, scalar(3), scalar(0.5, F32), scalar(0.2, F32)),
    suppress(BOXES, SCORES, scalar(1), scalar(0.5, F32)),
    suppress(BOXES, SCORES, scalar(9), None, scalar(0.7, F32)),
    suppress(BOXES, SCORES),
    suppress(CENTRES, SCORES[:, :, :3], scalar(3), scalar(0.5, F32), center_point_box=1),
    suppress(BOXES, SCORES, scalar(4), scalar(0.99, F32), scalar(0.99, F32)),
]

HOT = Const(f32([-1, 5]))
FILLED = [
    node_case("ConstantOfShape", ints(2, 3)),
    node_case("ConstantOfShape", ints()),
    node_case("ConstantOfShape", ints(2, 0)),
    node_case("ConstantOfShape", np.array([2, 3]), name="ConstantOfShape of an input"),
    node_case("Range", scalar(3), scalar(20), scalar(4)),
    node_case("Range", scalar(3), scalar(-20), scalar(-4), name="Range downwards"),
    node_case("Range", scalar(3), scalar(3), scalar(1), name="Range of nothing"),
    node_case("Range", scalar(0, F32), scalar(1, F32), scalar(0.3, F32)),
    node_case("Range", scalar(0), scalar(1000), scalar(1), name="Range that is long"),
    node_case("Range", np.array(1), np.array(9), np.array(3), name="Range of inputs"),
    node_case("EyeLike", np.zeros((3, 5), np.float32), k=1),
    node_case("EyeLike", np.zeros((4, 2), np.int32), k=-2, dtype=1),
    *(node_case("Trilu", X, upper=upper) for upper in (0, 1)),
    node_case("Trilu", X, scalar(-1), upper=0, name="Trilu below the diagonal"),
    node_case("Trilu", seeded(4, 4).astype(np.int64), np.array(1), name="Trilu by an input"),
    node_case("OneHot", np.array([[1, -1], [0, 7]]), scalar(4), HOT),
    node_case("OneHot", np.array([[1, -1], [0, 7]]), scalar(4), HOT, axis=0),
    node_case("OneHot", f32([1, 2]), Const(f32([3])), HOT, axis=-2, opset=9),
    node_case("OneHot", np.array([2, 0]), np.array([3]), HOT, name="OneHot of an input"),
    node_case("OneHot", np.array([2, 199]), scalar(200), Const(np.array([0, 1]))),
]

CASES: list[Case] = [*TOPK, *KEPT, *SUPPRESSED, *FILLED]
