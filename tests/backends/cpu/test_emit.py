"""Machine code of kernels does what their loops mean, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncc.backends.cpu.aliasing import shareable
from ncc.backends.cpu.loop_interpret import run_loops
from ncc.backends.cpu.loop_verify import verify_kernel
from ncc.backends.cpu.loops import Kernel, Role
from ncc.backends.cpu.looptext.parser import parse
from ncc.backends.cpu.looptext.printer import to_text
from ncc.backends.cpu.target import Target
from tests.backends.cpu.random_kernels import Array, Sample, samples
from tests.guarded import Edge, guarded, survives
from tests.machine_code import RUNNABLE, each_target, load_kernel
from tests.text_cases import CaseFile

CORES = 3


def run_guarded(sample: Sample, target: Target, edge: Edge) -> list[Array]:
    """The arrays after machine code ran on every core, none of them beside memory it may touch."""
    call = load_kernel(sample.kernel, target)
    arrays = [guarded(array, edge) for array in sample.arrays]

    def run() -> None:
        for core in range(CORES):
            call(*arrays, core=core, cores=CORES)

    survives(run)
    return arrays


@settings(deadline=None, max_examples=100)
@given(samples(), st.sampled_from(Edge), st.sampled_from(RUNNABLE[:2]))
def test_random_kernels_compute_what_their_loops_mean(
    sample: Sample, edge: Edge, target: Target
) -> None:
    verify_kernel(sample.kernel)
    expected = sample.fresh()
    run_loops(sample.kernel, expected)
    got = run_guarded(sample, target, edge)
    for buffer, ours, theirs in zip(sample.kernel.params, got, expected, strict=True):
        assert np.array_equal(ours, theirs), f"{buffer.name}\n{to_text(sample.kernel)}"


SHARING = [
    pytest.param(
        kernel, i, j, id=f"{case.title}: {kernel.params[i].name} is {kernel.params[j].name}"
    )
    for case in CaseFile.read(Path(__file__).with_name("loops_sharing.ncc")).cases
    for kernel in parse(case.program)
    for i, j in sorted(shareable(kernel))
]


@pytest.mark.parametrize(("kernel", "i", "j"), SHARING)
@each_target
def test_an_output_may_be_where_an_input_was(
    kernel: Kernel, i: int, j: int, target: Target
) -> None:
    rng = np.random.default_rng(0)
    apart = [rng.integers(-9, 9, b.size).astype(b.dtype.numpy) for b in kernel.params]
    shared = [array.copy() for array in apart]
    shared[j] = shared[i].view(shared[j].dtype)
    call = load_kernel(kernel, target)
    call(*apart)
    call(*shared)
    for buffer, ours, theirs in zip(kernel.params, shared, apart, strict=True):
        if buffer.role is Role.output:
            assert ours.tobytes() == theirs.tobytes(), buffer.name
