"""Random models equal onnxruntime, exact and with products of bf16: what fits, fits together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ncc
from tests.random_models import random_case
from tests.suite.case import run_reference

BOUNDS = {"none": 1e-4, "matmult": 6e-2}
"""The largest error by --auto-cast, as a share of the largest element."""


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("auto_cast", BOUNDS)
def test_a_random_model_equals_onnxruntime(auto_cast: str, seed: int, tmp_path: Path) -> None:
    case = random_case(seed)
    ncc.compile(case.model, auto_cast=auto_cast).save(tmp_path / "case.neff")
    with ncc.load(tmp_path / "case.neff") as model:
        got = model.run(case.inputs)
    for ours, theirs in zip(got.values(), run_reference(case), strict=True):
        largest = float(np.max(np.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=BOUNDS[auto_cast] * largest + 1e-6)
