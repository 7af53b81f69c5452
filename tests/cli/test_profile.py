"""ncc profile: kernels with their nodes, and parts that add up to the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.command_line import ncc
from tests.tiny_bundles import save


@pytest.mark.parametrize("cores", [1, 2])
def test_the_parts_of_a_run_add_up(digits: Path, cores: int) -> None:
    found = ncc("profile", digits, "--seconds", 0.1, "--cores", cores, "--format", "json").json
    kernels = found["kernels"]
    parts = [kernel["seconds"] + kernel["waiting"] for kernel in kernels]
    assert sum(parts) + found["outside_seconds"] == pytest.approx(found["seconds"])
    assert sum(kernel["share"] for kernel in kernels) < 1
    assert parts == sorted(parts, reverse=True)
    assert 1 <= found["cores"] <= cores


def test_each_kernel_shows_its_nodes_its_work_and_its_limit(digits: Path) -> None:
    found = ncc("profile", digits, "--seconds", 0.1, "--format", "json").json
    listed = ncc("inspect", digits, "--format", "json").json["variants"][0]["kernels"]
    work = {kernel["name"]: (kernel["flops"], kernel["sources"]) for kernel in listed}
    assert {k["name"]: (k["flops"], k["sources"]) for k in found["kernels"]} == work
    for kernel in found["kernels"]:
        total = kernel["seconds"] + kernel["waiting"]
        peak = found["peaks"][kernel["limit"]]
        assert kernel["flops_per_second"] == pytest.approx(kernel["flops"] / total)
        assert kernel["of_peak"] == pytest.approx(kernel["flops_per_second"] / peak)
        assert kernel["bound"] in {"arithmetic", "memory", "neither"}
    assert {"copy", "f32"} <= found["peaks"].keys()


def test_the_text_has_a_row_for_each_kernel_and_one_for_the_whole(digits: Path) -> None:
    result = ncc("profile", digits, "--seconds", 0.1)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[1].split()[:4] == ["kernel", "calls", "us", "share"]
    names = [line.split()[0] for line in lines[2 : lines.index("")]]
    kernels = ncc("inspect", digits, "--format", "json").json["variants"][0]["kernels"]
    assert sorted(names[:-2]) == sorted(kernel["name"] for kernel in kernels)
    assert names[-2:] == ["outside", "total"]


def test_host_segments_have_a_row(mixed: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([0, 5, 7]))
    arguments = ("--input", f"c={tmp_path / 'c.npy'}", "--seconds", 0.05, "--format", "json")
    found = ncc("profile", mixed, *arguments).json
    (host,) = found["host_segments"]
    assert 0 < host["seconds"] < found["seconds"]
    parts = [kernel["seconds"] + kernel["waiting"] for kernel in found["kernels"]]
    whole = sum(parts) + host["seconds"] + found["outside_seconds"]
    assert whole == pytest.approx(found["seconds"])


def test_a_bundle_without_timed_code_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")
    text = ncc("profile", path).fails(6, "no-timed-entry")
    assert "compile the model again" in text
