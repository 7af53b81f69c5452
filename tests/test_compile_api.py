"""`ncc.compile` called from Python: what it takes, and how it refuses the rest."""

from __future__ import annotations

from pathlib import Path

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
    ],
)
def test_wrong_options_are_errors_of_usage(options: dict[str, object], says: str) -> None:
    with pytest.raises(ncc.NccError) as caught:
        ncc.compile(DIGITS, **options)  # type: ignore[arg-type]  # some are wrong on purpose
    assert caught.value.exit is ExitCode.USAGE
    assert says in str(caught.value)
