"""A sample of the op cases as machine code for aarch64, under an emulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.neff.reader import open_bundle
from tests.emulated import needs_emulator, run_emulated
from tests.suite.case import Case, all_cases, assert_close, run_reference

SAMPLE = 9
"""Every ninth case runs."""


@needs_emulator
@pytest.mark.parametrize("case", all_cases()[4::SAMPLE], ids=str)
def test_aarch64_equals_onnxruntime(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "case.neff"
    ncc.compile(case.model, target="aarch64", auto_cast="none").save(path)
    if not _is_one_device_segment(path):
        pytest.skip("part of it runs on the host, or it computes nothing")
    got = run_emulated(path, "aarch64", list(case.inputs.values()))
    for ours, theirs in zip(got, run_reference(case), strict=True):
        assert_close(np.asarray(ours), theirs)


def _is_one_device_segment(path: Path) -> bool:
    with open_bundle(path) as bundle:
        ((program,),) = (variant.programs for variant in bundle.manifest.variants)
    segments = [
        segment
        for segment in program.segments
        if (segment.inputs, segment.outputs) == (program.inputs, program.outputs)
    ]
    return len(program.segments) == 1 and [segment.kind for segment in segments] == ["device"]
