"""The benchmark networks on seeded inputs: as onnxruntime runs them, at the bars of real models.

Their weights are noise, so there are classes to agree on but nothing to detect.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from inputs import seeded_inputs
from ncc.backends.cpu.target import resolve
from ncc.backends.interface import NATIVE
from networks import NETWORKS, write
from tests.models.agreement import MAX_ARENA, assert_aligned, assert_equal, assert_identical, top1
from tests.models.runs import Compiled, compiled

QUICK = {"mobilenetv2", "minilm"}
DIMS = {"batch": 1}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in NETWORKS
    ],
)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of each network."""
    return write(request.param, tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def exact(network: Path) -> Compiled:
    """It in f32."""
    return prepare(network, "none")


@pytest.fixture(scope="module")
def rounded(network: Path) -> Compiled:
    """It as it is compiled by default, with products in bf16."""
    if not resolve(NATIVE).has_bf16_dot:
        pytest.skip("this machine multiplies no bf16")
    return prepare(network, None)


def prepare(network: Path, auto_cast: str | None) -> Compiled:
    feeds = seeded_inputs(network, DIMS)
    return compiled(network, feeds, network.parent, dims=DIMS, auto_cast=auto_cast)


def test_outputs_equal_onnxruntime(exact: Compiled) -> None:
    assert_equal(exact.run(), exact.want)
    assert_identical(exact.run(cores=1), exact.run(cores=2))


def test_outputs_in_bf16_keep_their_direction(rounded: Compiled) -> None:
    assert_aligned(rounded.run(), rounded.want)
    assert_identical(rounded.run(cores=1), rounded.run(cores=2))


def test_the_class_is_the_same_in_bf16(rounded: Compiled) -> None:
    if list(rounded.want) != ["logits"]:
        pytest.skip("this network does not classify")
    top1(rounded.run(), rounded.want)


def test_all_of_it_runs_on_the_device_in_little_memory(exact: Compiled, rounded: Compiled) -> None:
    for report in (exact.bundle.report, rounded.bundle.report):
        assert report["host_ops"] == 0, report["host_reasons"]
        assert report["arena_bytes"] <= MAX_ARENA * report["arena_lower_bound"]
