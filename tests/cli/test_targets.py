"""A bundle for several targets, as the command line makes and shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.command_line import DIGITS, ncc

TARGETS = ["x86-64-v4+bf16", "x86-64-v3"]
COMPILE = ("compile", DIGITS, "--dim", "batch=1", "--target", ",".join(reversed(TARGETS)))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "both.neff"
    assert ncc(*COMPILE, "-o", path).code == 0
    return path


def test_inspect_lists_the_targets_best_first_with_how_each_rounds(both: Path) -> None:
    shown = ncc("inspect", both, "--format", "json").json
    assert [variant["target"] for variant in shown["variants"]] == TARGETS
    text = ncc("inspect", both).out
    assert re.search(r"^  target +x86-64-v4\+bf16, x86-64-v3$", text, re.MULTILINE)
    assert re.search(r"^  on x86-64-v3 +every type as the model says", text, re.MULTILINE)
    assert all(f"kernels for {target}" in text for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_disasm_shows_the_code_for_one_target(target: str, both: Path) -> None:
    shown = ncc("disasm", both, "--target", target, "--format", "json").json
    assert shown["target"] == target
    assert all(kernel["as_in_bundle"] for kernel in shown["kernels"])


def test_disasm_names_the_targets_that_there_are(both: Path) -> None:
    error = ncc("disasm", both, "--target", "x86-64-v4").fails(2, "unknown-target")
    assert f"it has code for {TARGETS[0]}, {TARGETS[1]}" in error


def test_the_text_of_a_graph_is_for_one_target(tmp_path: Path) -> None:
    result = ncc(*COMPILE, "-o", tmp_path / "graph.ncc", "--to", "precision")
    assert result.code == 2
    assert "--to takes one target, not x86-64-v4+bf16, x86-64-v3" in result.err


def test_graphs_of_several_targets_are_dumped_apart(tmp_path: Path) -> None:
    ncc(*COMPILE, "-o", tmp_path / "d.neff", "--dump-ir", tmp_path / "ir")
    assert sorted(path.name for path in (tmp_path / "ir").iterdir()) == sorted(TARGETS)
    assert (tmp_path / "ir" / TARGETS[0] / "02-precision.ncc").exists()
