"""Random models equal onnxruntime, exact and with products of bf16: what fits, fits together.

Their code touches nothing but its buffers, and gives the same bytes on any number of cores.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.backends.cpu.target import Target
from ncc.options import Options
from tests.guarded import Edge, survives
from tests.machine_code import each_target
from tests.random_models import random_case
from tests.suite.case import run_reference
from tests.suite.engines import MachineCode, device_body

BOUNDS = {"none": 1e-5, "matmult": 6e-2}
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


@each_target
@pytest.mark.parametrize("seed", range(3000, 3012))
def test_code_of_a_random_model_stays_inside_its_buffers(seed: int, target: Target) -> None:
    """With the products of bf16 that are the default; each buffer beside a page out of bounds."""
    found = device_body(random_case(seed), target, Options())
    if found is None:
        pytest.skip("part of it runs on the host, or it computes nothing")
    body, inputs = found
    code = MachineCode(body, target)

    def check(edge: Edge) -> None:
        alone, shared = (code.run(inputs, edge, cores) for cores in (1, 3))
        assert [array.tobytes() for array in alone] == [array.tobytes() for array in shared]

    for edge in Edge:
        survives(partial(check, edge))
