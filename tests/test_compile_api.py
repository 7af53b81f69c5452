"""`ncc.compile` called from Python: what it takes, and how it refuses the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits.onnx"


def test_a_model_is_compiled_saved_and_run(tmp_path: Path) -> None:
    bundle = ncc.compile(DIGITS, dims={"batch": 2}, auto_cast="none")
    bundle.save(tmp_path / "digits.neff")
    with ncc.load(tmp_path / "digits.neff") as model:
        (image,) = model.inputs
        (scores,) = model.run({image.name: np.zeros(image.shape, np.float32)}).values()
    assert scores.shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"auto_cast": "sometimes"}, "it is one of none, matmult, all"),
        ({"target": "z80", "dims": {"batch": 1}}, "there is no target 'z80'"),
        ({"dims": {"rows": 1}}, "a symbol is one of: batch"),
        ({}, "--dim batch=1"),
        ({"dims": {"batch": "2"}}, "a size is an integer"),
        ({"dims": {"batch": 2.0}}, "a size is an integer"),
        ({"shapes": {"image": 2}}, "a shape is a tuple of integers and names"),
        ({"target": ["x86-64-v3", "x86-64-v4"]}, "target is a string, not list"),
        ({"keep_fp32": None}, "keep_fp32 is a string, not NoneType"),
    ],
)
def test_wrong_options_are_errors_of_usage(options: dict[str, object], says: str) -> None:
    with pytest.raises(ncc.NccError) as caught:
        ncc.compile(DIGITS, **options)  # type: ignore[arg-type]  # some are wrong on purpose
    assert caught.value.exit is ExitCode.USAGE
    assert says in str(caught.value)


@pytest.mark.parametrize("model", [DIGITS.read_bytes(), None, 3], ids=["bytes", "none", "number"])
def test_what_is_no_model_is_an_error_of_usage(model: object) -> None:
    with pytest.raises(ncc.NccError, match="a path or an onnx") as caught:
        ncc.compile(model)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.exit is ExitCode.USAGE


@pytest.mark.parametrize(
    "sizes", [{"dims": {"batch": np.int64(2)}}, {"shapes": {"image": [np.int32(2), 1, 8, 8]}}]
)
def test_sizes_may_be_numbers_of_numpy(sizes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "digits.neff"
    ncc.compile(DIGITS, **sizes).save(path)
    with ncc.load(path) as model:
        assert model.inputs[0].shape == (2, 1, 8, 8)
