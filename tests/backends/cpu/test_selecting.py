"""The best elements of rows, among them numbers that are unusual, on several cores."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper

import ncc
from ncc.ir.ops.topk import select

Array = npt.NDArray[Any]
ROWS, SIZE = 18, 600


def unusual(dtype: type) -> Array:
    """Rows with ties, zeros of both signs, infinities and NaN of both signs."""
    draw = np.random.default_rng(0)
    x: Array = np.round(draw.standard_normal((ROWS, SIZE)), 1).astype(dtype)
    x[0], x[0, 7:90] = 0, -0.0
    x[1, ::3], x[1, 1::3] = np.inf, -np.inf
    x[2, ::7], x[2, 3] = np.nan, -np.nan
    x[3] = np.nan
    x[4] = np.sort(x[4])
    return x


def group_by_group(dtype: type) -> Array:
    """Rows whose best elements are all of one group, so that there are too many candidates."""
    x: Array = np.zeros((ROWS, SIZE), dtype)
    x[:, :256] = np.arange(256)
    x[:, ::32] = 1000 + np.arange(-(-SIZE // 32))
    x[:, 1::32] = 500
    return x


def whole(dtype: type) -> Array:
    """Rows of integers near each other, as far apart as can be, and all alike."""
    draw, ends = np.random.default_rng(0), np.iinfo(np.int64)
    x: Array = draw.integers(-300, 300, (ROWS, SIZE))
    x[0] = -7
    x[1, ::3], x[1, 1::3] = ends.min, ends.max
    x[2] = draw.integers(ends.min, ends.max, SIZE)
    x[3] = ends.max - x[3] % 256
    x[4] *= 1 << 33
    return x.astype(dtype)


@pytest.mark.parametrize("k", [1, 18, 70, SIZE])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(
    ("rows", "dtype"),
    [
        *itertools.product((unusual, group_by_group), (np.float32, np.float64)),
        (whole, np.int64),
    ],
)
def test_the_best_are_those_of_the_op(
    rows: Any, dtype: type, largest: int, k: int, tmp_path: Path
) -> None:
    x = rows(dtype)
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node("TopK", ["x", "k"], ["best", "where"], largest=largest)],
        "topk",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [
            helper.make_tensor_value_info("best", kind, [ROWS, k]),
            helper.make_tensor_value_info("where", TensorProto.INT64, [ROWS, k]),
        ],
        [numpy_helper.from_array(np.array([k]), "k")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = tmp_path / "topk.neff"
    ncc.compile(model, host=False).save(path)
    best, where = select(x, k, 1, bool(largest))
    with ncc.load(path) as loaded:
        for cores in (1, 2, 3):
            found = loaded.run({"x": x}, cores=cores)
            np.testing.assert_array_equal(found["where"], where)
            np.testing.assert_array_equal(found["best"], best)
