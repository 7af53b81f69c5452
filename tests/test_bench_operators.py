"""The models of single operators that are timed, and when two results agree."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from messages import Array
from operator_cases import Draw, operators
from operators import Timed, alike


def test_every_operator_is_a_valid_model_of_its_inputs() -> None:
    for one in operators():
        model = one.model()
        onnx.checker.check_model(model, full_check=True)
        assert {value.name for value in model.graph.input} == one.inputs().keys(), str(one)


def test_operators_have_names_of_their_own() -> None:
    names = [str(one) for one in operators()]
    assert len(set(names)) == len(names)


def test_integers_are_drawn_within_their_bounds() -> None:
    drawn = Draw((1000,), np.int32, -3, 5).array(np.random.default_rng(0))
    assert drawn.dtype == np.int32
    assert (int(drawn.min()), int(drawn.max())) == (-3, 4)


ONE = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("a", "b", "agree"),
    [
        (ONE, ONE * 1.0001, True),
        (ONE, ONE * 1.1, False),
        (ONE * np.nan, ONE * np.nan, True),
        (ONE, ONE[:2], False),
        (ONE, ONE.astype(np.float64), False),
        (np.array([1, 2]), np.array([1, 3]), False),
    ],
)
def test_results_agree_within_what_rounding_explains(a: Array, b: Array, agree: bool) -> None:
    assert alike(a, b) is agree


def test_a_difference_is_marked() -> None:
    row = Timed("Relu", 2e-6, 3e-6, same=False)
    assert row.ratio == pytest.approx(1.5)
    assert row.line().endswith("differs")
