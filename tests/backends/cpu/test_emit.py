"""Machine code of kernels does what their loops mean, and touches nothing else."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncc.backends.cpu.codegen import listing
from ncc.backends.cpu.loopir.aliasing import shareable
from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import MAX_SCRATCH, Kernel, Role
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.cpu.loopir.verify import verify_kernel
from ncc.backends.cpu.target import TARGETS, Target
from tests.backends.cpu.random_kernels import Array, Sample, samples
from tests.guarded import Edge, guarded, survives
from tests.machine_code import WIDTHS, each_width, load_kernel
from tests.text_cases import CaseFile

CORES = 3

NARROWED, SCRATCHED = parse(
    """
kernel narrowed(x: in f32[40], y: out bf16[40]) {
  vector v < 40 {
    y[v] = bf16(x[v] + 1.0:f32)
  }
}

kernel scratched(x: in f32[131072], y: out f32[131072], t: scratch f32[131072]) {
  vector v < 131072 {
    t[v] = x[v] + 1.0:f32
  }
  vector w < 131072 {
    y[w] = t[131071 - w]
  }
}
"""
)


def run_guarded(sample: Sample, target: Target, edge: Edge) -> list[Array]:
    """The arrays after machine code ran on every core, none of them beside memory it may touch."""
    call = load_kernel(sample.kernel, target)
    arrays = [guarded(array, edge) for array in sample.arrays]

    def run() -> None:
        for core in range(CORES):
            call(*arrays, core=core, cores=CORES)

    survives(run)
    return arrays


def compare(sample: Sample, target: Target, edge: Edge) -> None:
    """Machine code and the meaning of the loops give the same bytes."""
    verify_kernel(sample.kernel)
    expected = sample.fresh()
    run_loops(sample.kernel, expected)
    got = run_guarded(sample, target, edge)
    for buffer, ours, theirs in zip(sample.kernel.params, got, expected, strict=True):
        assert np.array_equal(ours, theirs), f"{buffer.name}\n{to_text(sample.kernel)}"


@settings(deadline=None, max_examples=100)
@given(samples(), st.sampled_from(Edge), st.sampled_from(WIDTHS))
def test_random_kernels_compute_what_their_loops_mean(
    sample: Sample, edge: Edge, target: Target
) -> None:
    compare(sample, target, edge)


def cases(stem: str) -> list[tuple[str, Kernel]]:
    """The kernels of a file beside this one, with the title of their case."""
    file = CaseFile.read(Path(__file__).with_name(f"{stem}.ncc"))
    return [(case.title, kernel) for case in file.cases for kernel in parse(case.program)]


@pytest.mark.parametrize("edge", Edge, ids=lambda edge: edge.value)
@pytest.mark.parametrize(
    "kernel", [pytest.param(kernel, id=title) for title, kernel in cases("loops_run")]
)
@each_width
def test_kernels_compute_what_their_loops_mean(kernel: Kernel, edge: Edge, target: Target) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 9, b.size).astype(b.dtype.numpy) for b in kernel.params]
    compare(Sample(kernel, tuple(arrays)), target, edge)


SHARING = [
    pytest.param(kernel, i, j, id=f"{title}: {kernel.params[i].name} is {kernel.params[j].name}")
    for title, kernel in cases("loops_sharing")
    for i, j in sorted(shareable(kernel))
]


@pytest.mark.parametrize(("kernel", "i", "j"), SHARING)
@each_width
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


@each_width
def test_a_kernel_may_use_all_its_scratch(target: Target) -> None:
    assert SCRATCHED.scratch[0].size * 4 == MAX_SCRATCH
    x, y = np.arange(131072, dtype=np.float32), np.zeros(131072, np.float32)
    thread = Thread(target=load_kernel(SCRATCHED, target), args=(x, y))
    thread.start()
    thread.join()
    assert np.array_equal(y, x[::-1] + 1)


@pytest.mark.parametrize(
    ("name", "absent"), [("x86-64-v3", "zmm"), ("x86-64-v4", "bf16"), ("x86-64-v4+bf16", "fp16")]
)
def test_code_keeps_to_its_target(name: str, absent: str) -> None:
    text = listing(NARROWED, TARGETS[name])
    assert "vaddps" in text
    assert absent not in text
