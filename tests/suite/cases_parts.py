"""Ops that cut tensors up, join them and surround them."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Array, Case, Const, node_case, seeded
from tests.suite.cases_shape import ints

X = seeded(2, 7, 1, 5)
BYTES = np.arange(70, dtype=np.uint8).reshape(2, 7, 1, 5)
LAST = 2**63 - 1
Numbers = list[int]

JOINS = [
    node_case("Concat", X, seeded(2, 3, 1, 5), axis=1),
    node_case("Concat", X, X, X, axis=-1),
    node_case("Concat", X, axis=0),
    node_case("Concat", X, X[:, :0], axis=1, opset=7),
    node_case("Concat", BYTES, BYTES, axis=2),
    node_case("Concat", np.array([1], np.int64), ints(2, 3), axis=0),
]

SPLITS = [
    node_case("Split", X, outputs=7, axis=1),
    node_case("Split", X, ints(3, 0, 4), outputs=3, axis=1),
    node_case("Split", X, ints(1, 4), outputs=2, axis=-1),
    node_case("Split", X, outputs=2, axis=1, opset=11, split=[5, 2]),
    node_case("Split", X, outputs=2, opset=7),
    node_case("Split", X, outputs=3, axis=1, opset=18, num_outputs=3),
    node_case("Split", X, np.array([5, 2]), outputs=2, axis=1, name="Split by an input"),
]


def cut(x: Array, starts: Numbers, ends: Numbers, axes: Numbers | None = None, *steps: int) -> Case:
    """A Slice with constant bounds, shown in the name."""
    operands = [starts, ends, axes, list(steps) or None]
    given = [None if numbers is None else ints(*numbers) for numbers in operands]
    return node_case("Slice", x, *given, name=f"Slice {x.dtype}{list(x.shape)} {operands}")


def cut_by_input(*constant: int) -> Case:
    """A Slice all of whose bounds are inputs, but those in `constant`."""
    bounds = [np.array(numbers) for numbers in ([1, -1], [9, 0], [-3, 3], [2, -2])]
    operands = [Const(b) if index in constant else b for index, b in enumerate(bounds)]
    return node_case("Slice", X, *operands, name=f"Slice by inputs except {constant}")


SLICES = [
    cut(X, [1], [6]),
    cut(X, [1, 2], [2, 5]),
    cut(X, [2], [LAST], [1], 3),
    cut(X, [-1], [-LAST], [1], -1),
    cut(X, [-2, 4], [-6, -9], [1, 3], -2, -1),
    cut(X, [5], [2], [1]),
    cut(X, [-100, 3], [100, 4], [1, -1], 1, 1),
    cut(X, [0], [0], [1], -1),
    cut(X[:0], [0], [7], [0]),
    cut(BYTES, [6], [0], [1], -4),
    cut(BYTES % 3 == 0, [1], [7], [1], 2),
    node_case("Slice", X, starts=[1, -4], ends=[6, LAST], axes=[1, 3], opset=9),
    node_case("Slice", X, starts=[1, -4], ends=[6, -1], opset=7),
    cut_by_input(),
    cut_by_input(2),
    cut_by_input(0, 1, 2),
]


def pad(x: Array, pads: Numbers, mode: str = "constant", value: float | None = None) -> Case:
    """A Pad of opset 13 with constant operands, shown in the name."""
    extra = [] if value is None else [Const(np.array(value, x.dtype))]
    name = f"Pad {x.dtype}{list(x.shape)} {pads} {mode} {value}"
    return node_case("Pad", x, ints(*pads), *extra, name=name, opset=13, mode=mode)


PADS = [
    pad(X, [0, 1, 0, 2, 1, 0, 3, 0]),
    pad(X, [0, 1, 0, 2, 1, 0, 3, 0], value=2.5),
    pad(X, [0, -1, 0, 2, 0, -3, 1, -1], value=-1.0),
    pad(X, [0, 3, 0, 4, 0, 2, 0, 1], "reflect"),
    pad(X, [1, 9, 2, 0, 0, 0, 0, 6], "edge"),
    pad(BYTES, [0, 1, 0, 0, 0, 0, 0, 1], value=9),
    pad(BYTES.astype(np.int64), [0, 1, 0, 0, 0, 0, 0, 1], value=LAST),
    pad(X.astype(np.float64), [0, 1, 0, 0, 0, 0, 0, 1], value=0.1),
    pad(X[:0], [1, 0, 0, 0, 0, 0, 0, 0], value=4.0),
    pad(X, [0] * 8),
    node_case("Pad", X, pads=[0, 0, 1, 1, 0, 0, 1, 1], value=3.0, opset=7),
    node_case("Pad", X, pads=[0, 2, 0, 2, 0, 1, 0, 1], mode="reflect", opset=10),
    node_case("Pad", X, ints(1, 2, 0, 3), None, ints(-1, 1), opset=18, name="Pad along axes"),
    node_case("Pad", X, ints(3, 4, 3, 4), None, ints(1, 3), opset=19, mode="wrap"),
    node_case(
        "Pad",
        X,
        ints(0, 1, 0, 0, 0, 0, 0, 1),
        np.array(1.5, np.float32),
        name="Pad with a value from an input",
    ),
    node_case("Pad", X, np.array([0, 1, 0, -2, 0, 0, 1, 0]), name="Pad by an input"),
    node_case(
        "Pad", X, np.array([2, 2]), None, np.array([3]), opset=18, mode="edge", name="Pad by inputs"
    ),
]

WHOLE = [
    node_case("CenterCropPad", X, ints(4, 4), axes=[1, 3], opset=18),
    node_case("CenterCropPad", X, ints(3, 4, 2, 6), opset=18),
]

CASES: list[Case] = [*JOINS, *SPLITS, *SLICES, *PADS, *WHOLE]
