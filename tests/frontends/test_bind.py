"""Sizes that a model leaves open, and what the user says about them."""

from __future__ import annotations

from typing import Any

import pytest

from ncc.diagnostics import ExitCode, NccError
from tests.frontends.build import load, model

MODEL = model(
    """g (float[batch, 3, side, side] image, float[batch, n] score, float[2, ?, unk__7] rest)
    => (float[] y) {
        a = ReduceSum(image)  b = ReduceSum(score)  c = ReduceSum(rest)
        ab = Add(a, b)  y = Add(ab, c)
    }"""
)
REST = {"rest.1": 5, "rest.2": 6}
ALL = {"batch": 2, "side": 8, "n": 4, **REST}


def shapes_of(dims: dict[str, int], shapes: dict[str, tuple[int | str, ...]]) -> dict[str, Any]:
    graph = load(MODEL, dims=dims, shapes=shapes)
    return {value.name: value.tensor.dims for value in graph.inputs}


def test_a_symbol_counts_wherever_it_stands() -> None:
    found = shapes_of(ALL, {})
    assert found == {"image": (2, 3, 8, 8), "score": (2, 4), "rest": (2, 5, 6)}


def test_a_shape_binds_the_symbols_of_its_input() -> None:
    found = shapes_of({"n": 4, **REST}, {"image": (2, 3, 8, 8)})
    assert found == {"image": (2, 3, 8, 8), "score": (2, 4), "rest": (2, 5, 6)}


def test_a_shape_may_name_symbols() -> None:
    found = shapes_of({**ALL, "rows": 7}, {"rest": (2, "rows", 6)})
    assert found["rest"] == (2, 7, 6)


def test_a_model_that_gives_no_rank_takes_a_shape() -> None:
    rankless = model("g (float x) => (float y) { y = Relu(x) }")
    rankless.graph.input[0].type.tensor_type.ClearField("shape")
    error = refused(source=rankless)
    assert "--shape x=" in error.details.hint
    assert load(rankless, shapes={"x": (2, 3)}).inputs[0].tensor.dims == (2, 3)


def test_all_open_sizes_are_one_error_with_the_flags_to_add() -> None:
    error = refused(dims={"n": 4})
    assert (error.code, error.exit) == ("unbound-dims", ExitCode.USAGE)
    assert str(error).splitlines() == [
        "error[unbound-dims]: sizes that the model leaves open: batch (axis 0 of image, axis 0 of "
        "score); side (axis 2 of image, axis 3 of image); rest.1 (axis 1 of rest); rest.2 "
        "(axis 2 of rest)",
        "  hint: ncc compile model --dim batch=1 --dim side=1 --dim rest.1=1 --dim rest.2=1"
        "    (with the sizes that you will run)",
    ]


WRONG: dict[str, dict[str, Any]] = {
    "the model has no such name": {"dims": {**ALL, "height": 3}},
    "a symbol is one of: batch, side, n, rest.1, rest.2": {"dims": {**ALL, "height": 3}},
    "an input is one of: image, score, rest": {"dims": ALL, "shapes": {"img": (1,)}},
    "has 2 axes": {"dims": ALL, "shapes": {"image": (2, 3)}},
    "axis 1 is fixed at 3 in the model, not 4": {"shapes": {"image": (2, 4, 8, 8)}},
    "'side' is 9 here and 8 elsewhere": {"dims": REST, "shapes": {"image": (2, 3, 8, 9)}},
    "'batch' is 1 here and 2 elsewhere": {"dims": {**ALL}, "shapes": {"score": (1, 4)}},
    "batch=0: sizes are positive": {"dims": {**ALL, "batch": 0}},
    "batch=-3: sizes are positive": {"dims": {**ALL, "batch": -3}},
    "axis 1 is 0; sizes are positive": {"dims": ALL, "shapes": {"score": (2, 0)}},
}


@pytest.mark.parametrize(("says", "options"), WRONG.items(), ids=WRONG)
def test_wrong_size(says: str, options: dict[str, Any]) -> None:
    error = refused(**options)
    assert (error.code, error.exit) == ("bad-dims", ExitCode.USAGE)
    assert says in str(error)


def test_a_model_without_symbols_takes_none() -> None:
    fixed = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    error = refused(source=fixed, dims={"batch": 1})
    assert error.details.hint == "every size is fixed in the model: leave the flag out"


def refused(source: Any = MODEL, **options: Any) -> NccError:
    with pytest.raises(NccError) as caught:
        load(source, **options)
    return caught.value
