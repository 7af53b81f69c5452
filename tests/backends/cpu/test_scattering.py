"""Scattered updates, of which the last one stays wherever they lie in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

import ncc

OUTER, INNER, LANES = 9, 4, 64


def test_turns_are_made_in_order_of_transposed_updates(tmp_path: Path) -> None:
    float32, int64 = TensorProto.FLOAT, TensorProto.INT64
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["i"], ["places"], perm=[1, 0, 2]),
            helper.make_node("Transpose", ["u"], ["updates"], perm=[1, 0, 2]),
            helper.make_node("ScatterND", ["x", "places", "updates"], ["y"]),
        ],
        "scatter",
        [
            helper.make_tensor_value_info("x", float32, [5, LANES]),
            helper.make_tensor_value_info("i", int64, [INNER, OUTER, 1]),
            helper.make_tensor_value_info("u", float32, [INNER, OUTER, LANES]),
        ],
        [helper.make_tensor_value_info("y", float32, [5, LANES])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    draw = np.random.default_rng(0)
    x = draw.standard_normal((5, LANES), np.float32)
    places = draw.integers(0, 5, (INNER, OUTER, 1))
    updates = draw.standard_normal((INNER, OUTER, LANES), np.float32)
    wanted = x.copy()
    for outer in range(OUTER):
        for inner in range(INNER):
            wanted[places[inner, outer, 0]] = updates[inner, outer]
    inputs: dict[str, np.ndarray[Any, Any]] = {"x": x, "i": places, "u": updates}
    path = tmp_path / "scatter.neff"
    ncc.compile(model, host=False).save(path)
    with ncc.load(path) as loaded:
        for cores in (1, 2, 3):
            np.testing.assert_array_equal(loaded.run(inputs, cores=cores)["y"], wanted)
