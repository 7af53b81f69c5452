"""The best elements by comparing, against sorting."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.ir import ranking
from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.interpret import interpret
from ncc.ir.op import load_ops
from ncc.ir.ops.topk import select
from ncc.ir.types import DType, TensorType

load_ops()

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, 1.5, -np.nan]


@pytest.fixture(params=["compared with all", "taken one by one"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compared with all":
        monkeypatch.setattr(ranking, "FEW_PASSES", 0)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, np.int64])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 3), (16, 16), (40, 9)])
def test_ties_and_specials_are_ordered_as_by_a_stable_sort(
    n: int, k: int, dtype: type[np.generic], largest: bool
) -> None:
    drawn = np.random.default_rng(n).integers(-3, 4, (5, n)).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        drawn.ravel()[:: max(1, drawn.size // len(SPECIAL))][: len(SPECIAL)] = SPECIAL[: drawn.size]
    x = Value(TensorType(DType.of(drawn.dtype), drawn.shape), name="x")
    build = Builder()
    found = ranking.best(build, x, k, largest=largest)
    assert found is not None
    values, indices = interpret(Graph("best", [x], build.nodes, found), [drawn])
    wanted_values, wanted_indices = select(drawn, k, 1, largest)
    np.testing.assert_array_equal(indices, wanted_indices)
    np.testing.assert_array_equal(values, wanted_values)


def test_much_work_is_left_to_sorting() -> None:
    x = Value(TensorType(DType.f32, (2, 1 << 9)), name="x")
    found = [ranking.best(Builder(), x, k, largest=True) is not None for k in (0, 4, 5, 17)]
    assert found == [False, True, False, False]


@pytest.mark.parametrize("largest", [True, False])
def test_the_best_of_a_long_row_are_those_of_a_stable_sort(largest: bool) -> None:
    x = np.random.default_rng(0).integers(-300, 300, (2, 3, 4096)).astype(np.float32)
    x[0, 1, 5:4000:7], x[1, 2, 9:20] = np.nan, np.inf
    values, indices = select(x, 40, 2, largest)
    order = np.argsort(-x if largest else x, -1, kind="stable")
    first = np.argsort(~np.isnan(np.take_along_axis(x, order, -1)), -1, kind="stable")
    wanted = np.take_along_axis(order, first, -1) if largest else order
    np.testing.assert_array_equal(indices, wanted[..., :40])
    np.testing.assert_array_equal(values, np.take_along_axis(x, wanted, -1)[..., :40])
