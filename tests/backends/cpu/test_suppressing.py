"""Boxes that do not overlap much, found in machine code and by the op, on several cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper

import ncc
from ncc.ir.ops.non_max_suppression import NonMaxSuppression

Array = npt.NDArray[Any]


def boxes(batch: int, count: int, span: float) -> Array:
    """Boxes of 10 to 80, some with their corners exchanged, within `span`."""
    draw = np.random.default_rng(count)
    low = draw.uniform(0, span, (batch, count, 2))
    both = np.concatenate([low, low + draw.uniform(10, 80, low.shape)], -1).astype(np.float32)
    both[:, ::3] = both[:, ::3][..., [2, 1, 0, 3]]
    return both


def scores(*shape: int) -> Array:
    """Scores with ties, and some that are no numbers."""
    drawn = np.random.default_rng(1).standard_normal(shape).round(2).astype(np.float32)
    drawn[..., ::11] = np.nan
    return drawn


@pytest.mark.parametrize("centre", [0, 1])
@pytest.mark.parametrize(
    ("given", "scored", "most", "overlap", "least"),
    [
        (boxes(1, 2000, 400), scores(1, 1, 2000), 200, 0.5, 0.0),
        (boxes(2, 300, 100), scores(2, 17, 300), 20, 0.5, 0.8),
        (boxes(2, 90, 50), scores(2, 2, 90), 1000, 0.3, -9.0),
        (boxes(1, 1500, 4000), scores(1, 2, 1500), 1500, 0.4, -9.0),
        (boxes(1, 40, 400), scores(1, 3, 40), 10, 0.5, 9.0),
        (boxes(1, 1, 400), scores(1, 1, 1) * 0, 10, 0.5, -1.0),
    ],
)
def test_boxes_kept_are_those_of_the_op(
    given: Array,
    scored: Array,
    most: int,
    overlap: float,
    least: float,
    centre: int,
    tmp_path: Path,
) -> None:
    limits = [np.array([most]), *(np.array([n], np.float32) for n in (overlap, least))]
    graph = helper.make_graph(
        [
            helper.make_node(
                "NonMaxSuppression", ["b", "s", "m", "o", "t"], ["y"], center_point_box=centre
            )
        ],
        "boxes",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
            for name, array in (("b", given), ("s", scored))
        ],
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["n", 3])],
        [numpy_helper.from_array(array, name) for array, name in zip(limits, "mot", strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = tmp_path / "boxes.neff"
    ncc.compile(model).save(path)
    wanted = NonMaxSuppression(bool(centre)).eval(given, scored, *limits)
    with ncc.load(path) as loaded:
        for cores in (1, 2, 3):
            found = loaded.run({"b": given, "s": scored}, cores=cores)["y"]
            np.testing.assert_array_equal(found, wanted)
