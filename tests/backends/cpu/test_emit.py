"""Machine code of kernels does what their loops mean, and touches nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ncc.backends.cpu.loop_interpret import run_loops
from ncc.backends.cpu.loop_verify import verify_kernel
from ncc.backends.cpu.looptext.printer import to_text
from ncc.backends.cpu.target import Target
from tests.backends.cpu.random_kernels import Array, Sample, samples
from tests.guarded import Edge, guarded, survives
from tests.machine_code import RUNNABLE, load_kernel

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
