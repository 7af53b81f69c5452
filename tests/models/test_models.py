"""The real trained models on natural inputs: as onnxruntime runs them, and as good as promised.

In a model's own precision every output is within 1e-4 of its range. With products rounded to
bf16, the default where the machine has them, every output keeps its direction. Either way what is
made of the outputs - the class, the boxes, the notes - stays the same.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ncc
from ncc.backends.cpu.target import Target, resolve
from ncc.backends.interface import NATIVE
from tests.machine_code import RUNNABLE
from tests.models.agreement import MAX_ARENA, assert_aligned, assert_equal, assert_identical
from tests.models.catalogue import CATALOGUE, OTHER_SIZES, STORED, Real, Stored, minilm
from tests.models.runs import Compiled, compiled

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=[*CATALOGUE, *OTHER_SIZES], ids=str)
def real(request: pytest.FixtureRequest) -> Real:
    """Each model, at each of its sizes."""
    found: Real = request.param
    return found


@pytest.fixture(scope="module")
def exact(real: Real, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """It in its own precision."""
    return prepare(real, models, tmp_path_factory.mktemp("exact"), "none")


@pytest.fixture(scope="module", params=CATALOGUE, ids=str)
def usual(request: pytest.FixtureRequest) -> Real:
    """Each model once."""
    found: Real = request.param
    return found


@pytest.fixture(scope="module")
def rounded(usual: Real, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """It as it is compiled by default, with products in bf16."""
    if not resolve(NATIVE).has_bf16_dot:
        pytest.skip("this machine multiplies no bf16")
    return prepare(usual, models, tmp_path_factory.mktemp("rounded"), None)


def prepare(
    real: Real, models: Path, folder: Path, auto_cast: str | None, target: str = NATIVE
) -> Compiled:
    """`real` compiled for the sizes of its inputs; skips where it is absent."""
    model = models / real.file
    if not model.is_file():
        pytest.skip(f"{real.file} is not among the trained models")
    feeds = real.feed(models)
    return compiled(model, feeds, folder, dims=real.dims, auto_cast=auto_cast, target=target)


class TestExact:
    """In the model's own precision."""

    def test_outputs_equal_onnxruntime(self, exact: Compiled) -> None:
        assert_equal(exact.run(), exact.want)

    def test_the_same_is_made_of_them(self, real: Real, exact: Compiled) -> None:
        real.agree(exact.run(), exact.want)

    def test_outputs_do_not_depend_on_the_number_of_cores(self, exact: Compiled) -> None:
        assert_identical(exact.run(cores=1), exact.run(cores=2))

    def test_nothing_runs_on_the_host(self, exact: Compiled) -> None:
        assert exact.bundle.report["host_ops"] == 0, exact.bundle.report["host_reasons"]

    def test_the_arena_is_near_what_lives_at_once(self, exact: Compiled) -> None:
        report = exact.bundle.report
        assert report["arena_bytes"] <= MAX_ARENA * report["arena_lower_bound"]

    def test_saving_again_gives_the_same_bytes(self, exact: Compiled, tmp_path: Path) -> None:
        exact.bundle.save(tmp_path / "again.neff")
        assert (tmp_path / "again.neff").read_bytes() == exact.path.read_bytes()


class TestRounded:
    """With products in bf16."""

    def test_outputs_keep_their_direction(self, rounded: Compiled) -> None:
        assert_aligned(rounded.run(), rounded.want)

    def test_the_same_is_made_of_them(self, usual: Real, rounded: Compiled) -> None:
        usual.agree(rounded.run(), rounded.want)

    def test_outputs_do_not_depend_on_the_number_of_cores(self, rounded: Compiled) -> None:
        assert_identical(rounded.run(cores=1), rounded.run(cores=2))

    def test_nothing_runs_on_the_host(self, rounded: Compiled) -> None:
        assert rounded.bundle.report["host_ops"] == 0, rounded.bundle.report["host_reasons"]

    def test_the_arena_is_near_what_lives_at_once(self, rounded: Compiled) -> None:
        report = rounded.bundle.report
        assert report["arena_bytes"] <= MAX_ARENA * report["arena_lower_bound"]


OTHER_TARGETS = [target for target in RUNNABLE if target.name != resolve(NATIVE).name]
SAMPLE = [real for real in CATALOGUE if str(real).split("-")[0] in {"mnist", "yunet", "oww"}]


@pytest.mark.parametrize("target", OTHER_TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("real", [*SAMPLE, minilm(3, 37)], ids=str)
def test_code_for_other_targets_equals_onnxruntime(
    real: Real, target: Target, models: Path, tmp_path: Path
) -> None:
    run = prepare(real, models, tmp_path, "none", target.name)
    assert_equal(run.run(), run.want)


@pytest.mark.parametrize("stored", STORED, ids=str)
def test_outputs_equal_those_that_came_with_the_model(
    stored: Stored, models: Path, tmp_path: Path
) -> None:
    path = prepare(stored.real, models, tmp_path, "none").path
    feeds, want = stored.load(models)
    with ncc.load(path) as model:
        stored.same(model.run(feeds), want)


COMPILE = "import sys, ncc; ncc.compile(sys.argv[1]).save(sys.argv[2])"


def test_surroundings_leave_no_trace_in_a_bundle(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    """Another folder, hash seed, time zone and locale."""
    found = model("mlperf-tiny-resnet8/resnet8.converted.onnx")
    moved = shutil.copy(found, tmp_path)
    written = []
    for source, seed, zone, locale in ((found, "1", "UTC", "C"), (moved, "2", "Japan", "C.UTF-8")):
        written.append(tmp_path / f"{seed}.neff")
        around = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", COMPILE, str(source), str(written[-1])]
        subprocess.run(command, env=around, cwd=tmp_path, check=True)
    assert written[0].read_bytes() == written[1].read_bytes()
