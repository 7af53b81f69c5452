"""Ops that pick and place elements by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, f32, node_case, seeded

X = seeded(3, 5, 2)
BYTES = np.arange(30, dtype=np.uint8).reshape(3, 5, 2)
PICKS = np.array([[4, -1, 0], [2, 2, -5]])
CORNERS = np.array([[[0, 4], [2, -1]], [[-3, 0], [1, 1]]])
ALONG = np.array([[[0, -1], [4, 2]], [[1, 1], [3, -5]], [[0, 0], [2, 2]]])


def both(op_type: str, x: Array, indices: Array, *more: Array, **attributes: Any) -> list[Case]:
    """The op with constant indices and with indices that are an input."""
    name = f"{op_type} {x.dtype}{list(x.shape)} {indices.dtype}{list(indices.shape)} {attributes}"
    return [
        node_case(op_type, x, Const(indices), *more, name=f"{name} constant", **attributes),
        node_case(op_type, x, indices, *more, name=f"{name} fed", **attributes),
    ]


GATHERS = [
    *both("Gather", X, PICKS, axis=1),
    *both("Gather", X, PICKS.astype(np.int32), axis=-2),
    *both("Gather", X, np.array(-1), axis=2),
    *both("Gather", X, np.array([0, 2])),
    *both("Gather", X, np.zeros((0, 2), np.int64), axis=1),
    *both("Gather", BYTES, np.array([1, 1, 0])),
    *both("Gather", seeded(7), np.array(3)),
    *both("GatherElements", X, ALONG, axis=1),
    *both("GatherElements", X, ALONG[:1, :, :1] % 3, opset=11),
    *both("GatherElements", X, ALONG.astype(np.int32) % 2, axis=-1),
    *both("GatherElements", BYTES, ALONG, axis=1),
    *both("GatherElements", seeded(7), np.array([6, -7, 0, 0])),
    *both("GatherND", X, CORNERS),
    *both("GatherND", X, np.array([[2], [-1]])),
    *both("GatherND", X, np.array([2, 4, 1])),
    *both("GatherND", X, np.array([[[0, 1]], [[4, 0]], [[-1, -1]]]), batch_dims=1),
    *both("GatherND", X, np.array([[[0], [1], [1], [0], [-1]]] * 3), batch_dims=2),
    *both("GatherND", BYTES, np.zeros((0, 2), np.int64), opset=11),
]

U22 = seeded(2, 2, 2, seed=1)
SCATTERS = [
    *both("ScatterElements", X, ALONG, seeded(3, 2, 2, seed=2), axis=1),
    *both("ScatterElements", X, ALONG[:2, :, :1] % 3, seeded(2, 2, 1, seed=3), opset=11),
    *both("ScatterElements", seeded(7), np.array([1, -1]), f32([5, 6])),
    *both("ScatterElements", BYTES, ALONG, BYTES[:, :2] + np.uint8(100), axis=1),
    *both("ScatterND", X, CORNERS, U22),
    *both("ScatterND", X, np.zeros((9, 2), np.int64), seeded(9, 2, seed=6)),
    *both("ScatterND", X, np.array([[1], [-1]]), seeded(2, 5, 2, seed=4)),
    *both("ScatterND", X, np.moveaxis(np.indices((3, 2)), 0, -1), seeded(3, 2, 2, seed=5)),
    *both("ScatterND", X, np.array([[0, 0, 0]]), f32([9]), opset=11),
    node_case("Scatter", seeded(3, 3), np.array([[1, 0, 2]]), f32([[1, 2, 3]]), opset=9),
    *(
        node_case("ScatterElements", X, ALONG, seeded(3, 2, 2), axis=1, opset=18, reduction=how)
        for how in ("add", "mul", "max", "min")
    ),
    *(
        node_case("ScatterND", X, np.array([[1], [1], [0]]), X, opset=18, reduction=how)
        for how in ("add", "mul", "max", "min")
    ),
]

SEQUENCES = [
    node_case(
        "ReverseSequence",
        X,
        np.array([1, 3, 2, 3, 1]),
        time_axis=0,
        batch_axis=1,
        name="ReverseSequence time first",
    ),
    node_case(
        "ReverseSequence",
        X,
        Const(np.array([5, 1, 4])),
        time_axis=1,
        batch_axis=0,
        name="ReverseSequence batch first",
    ),
    *(
        node_case(
            "TensorScatter",
            seeded(2, 6, 3),
            seeded(2, 2, 3, seed=6),
            np.array(places),
            mode=mode,
            opset=24,
        )
        for mode, places in (("linear", [1, 4]), ("circular", [5, 0]))
    ),
]


def drawn(size: int, *shape: int) -> Array:
    """Indices of an axis of `size`, from either end, many of them equal."""
    return np.random.default_rng(size).integers(-size, size, shape)


PAIRS = np.stack([drawn(6, 4, 9), drawn(5, 4, 9)], -1)
JOINS = ("add", "mul", "max", "min")
UPDATES = [
    *(
        node_case(
            "ScatterND", seeded(7, 48), drawn(7, 30, 1), seeded(30, 48), opset=18, reduction=how
        )
        for how in JOINS
    ),
    *(
        node_case(
            "ScatterElements",
            seeded(7, 37),
            drawn(7, 30, 37),
            seeded(30, 37),
            opset=18,
            reduction=how,
        )
        for how in JOINS
    ),
    node_case("ScatterND", seeded(6, 5, 130), PAIRS, seeded(4, 9, 130), opset=18, reduction="add"),
    node_case("ScatterND", seeded(40), drawn(40, 90, 1), seeded(90), opset=18, reduction="add"),
    node_case(
        "ScatterElements",
        seeded(3, 50),
        drawn(50, 3, 80),
        seeded(3, 80),
        axis=1,
        opset=18,
        reduction="add",
    ),
    node_case(
        "ScatterND", BYTES.reshape(10, 3), np.arange(9)[::-1, None], BYTES.reshape(10, 3)[1:]
    ),
]

CASES: list[Case] = [*GATHERS, *SCATTERS, *UPDATES, *SEQUENCES]
