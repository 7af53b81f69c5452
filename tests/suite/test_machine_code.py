"""Every op case as machine code: from a bundle, and between guard pages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ncc.backends.cpu.target import Target
from tests.guarded import Edge, survives
from tests.machine_code import each_target
from tests.suite.case import Case, all_cases, assert_close, run_reference
from tests.suite.engines import MachineCode, device_body, run_bundle

SAMPLE = 7
"""Every seventh case runs between guard pages, for each target."""


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_bundle_equals_onnxruntime(case: Case, tmp_path: Path) -> None:
    for ours, theirs in zip(run_bundle(case, tmp_path), run_reference(case), strict=True):
        assert_close(np.asarray(ours), theirs)


@each_target
@pytest.mark.parametrize("case", all_cases()[::SAMPLE], ids=str)
def test_code_stays_inside_its_buffers(case: Case, target: Target) -> None:
    found = device_body(case, target)
    if found is None:
        pytest.skip("part of it runs on the host, or it computes nothing")
    body, inputs = found
    wanted = run_reference(case)
    code = MachineCode(body, target)

    def check(edge: Edge, cores: int) -> None:
        got = code.run(inputs, edge, cores)
        for ours, theirs in zip(got, wanted, strict=True):
            assert_close(ours, theirs)

    for edge in Edge:
        for cores in (1, 2):
            survives(partial(check, edge, cores))
