"""Ops that rename, move, repeat or ask for axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, node_case, seeded

X = seeded(2, 3, 1, 5)
BYTES = np.arange(30, dtype=np.uint8).reshape(2, 3, 1, 5)
FLAGS = BYTES % 2 == 0


def ints(*numbers: int) -> Const:
    return Const(np.array(numbers, np.int64))


def named(op_type: str, x: Array, *numbers: int, opset: int = 17, **flags: Any) -> Case:
    """An op whose second operand is a constant list of integers, shown in the name."""
    name = f"{op_type} {x.dtype}{list(x.shape)} {list(numbers)} {opset} {flags}"
    return node_case(op_type, x, ints(*numbers), name=name, opset=opset, **flags)


def fed(op_type: str, x: Array, *numbers: int, **flags: Any) -> Case:
    """An op whose second operand is an input of the model."""
    name = f"{op_type} {list(x.shape)} by {list(numbers)} from an input"
    return node_case(op_type, x, np.array(numbers, np.int64), name=name, **flags)


RESHAPES = [
    named("Reshape", X, 5, 6),
    named("Reshape", X, 0, -1),
    named("Reshape", X, -1),
    named("Reshape", X[:0], 0, 0, 7),
    named("Reshape", X[:0], 3, 0, -1, opset=14, allowzero=0),
    named("Reshape", X[:0], 0, 7, 0, opset=14, allowzero=1),
    named("Reshape", X[:1, :1, :, :1]),
    named("Reshape", BYTES, 3, -1, opset=7),
    named("Reshape", FLAGS, 1, 30, 1),
    fed("Reshape", X, 2, 0, -1),
    node_case("Flatten", X),
    node_case("Flatten", X, axis=0, opset=7),
    node_case("Flatten", X, axis=4),
    node_case("Flatten", X, axis=-1),
    node_case("Squeeze", X),
    named("Squeeze", X, -2),
    node_case("Squeeze", X, axes=[2], opset=11),
    fed("Squeeze", X, 2),
    named("Unsqueeze", X, 0, -1),
    named("Unsqueeze", X, 3, 1),
    node_case("Unsqueeze", X, axes=[1, 3], opset=11),
    fed("Unsqueeze", X, 1, -1),
    node_case("Unsqueeze", np.array(3.0, np.float32), ints(0)),
    node_case("Transpose", X),
    node_case("Transpose", X, perm=[1, 3, 0, 2]),
    node_case("Transpose", BYTES, perm=[3, 2, 1, 0]),
    node_case("Transpose", np.array(2, np.int64)),
    node_case("Transpose", X[:, :0], perm=[1, 0, 2, 3]),
]

SQUARES = [
    node_case("DepthToSpace", seeded(2, 8, 3, 5), blocksize=2, opset=7),
    node_case("DepthToSpace", seeded(2, 12, 3, 5), blocksize=2, mode="CRD"),
    node_case("DepthToSpace", seeded(1, 9, 1, 5), blocksize=3, mode="DCR", opset=11),
    node_case("SpaceToDepth", seeded(2, 3, 4, 6), blocksize=2),
]

REPEATS = [
    named("Expand", X, 2, 3, 4, 1),
    named("Expand", X, 4, 2, 3, 1, 5),
    named("Expand", X, 1),
    named("Expand", FLAGS, 2, 3, 7, 5),
    named("Expand", X[:, :, :0], 7, 1, 1, 1, 1),
    fed("Expand", X, 4, 1, 1, 1, 1),
    named("Tile", X, 1, 1, 1, 1),
    named("Tile", X, 2, 1, 3, 2),
    named("Tile", X, 0, 1, 1, 1),
    named("Tile", BYTES, 1, 2, 1, 1, opset=7),
    fed("Tile", X, 1, 2, 2, 1),
    node_case("Identity", X),
    node_case("Dropout", X),
    node_case("Dropout", X, outputs=2, name="Dropout with its mask"),
    node_case("Dropout", X, opset=7, ratio=0.3),
    node_case("Dropout", X, Const(np.array(0.4, np.float32)), Const(np.array(False)), opset=12),
]

QUESTIONS = [
    node_case("Shape", X),
    node_case("Shape", X, opset=15, start=1, end=-1),
    node_case("Shape", X, opset=15, start=-2),
    node_case("Shape", X, opset=15, start=3, end=1),
    node_case("Shape", np.array(1.0, np.float32)),
    node_case("Size", X),
    node_case("Size", X[:0]),
]

CASES: list[Case] = [*RESHAPES, *SQUARES, *REPEATS, *QUESTIONS]
