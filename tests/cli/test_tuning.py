"""ncc compile with levels and tuning files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncc.tuning import choices
from tests.cli.command_line import DIGITS, Result, ncc
from tests.fake_timer import FakeTimer, last_is_fastest

ONE = ("--dim", "batch=1")


@pytest.fixture(autouse=True)
def timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "IsolatedTimer", lambda: FakeTimer(last_is_fastest))


def compile_digits(output: Path, *arguments: object) -> Result:
    return ncc("compile", DIGITS, "-o", output, *ONE, *arguments)


def test_what_was_measured_is_written_and_replayed(tmp_path: Path) -> None:
    file, bundle = tmp_path / "t.json", tmp_path / "d.neff"
    measured = compile_digits(bundle, "-O3", "--tuning", file, "--format", "json").json
    assert measured["options"]["level"] == 3
    replayed = compile_digits(bundle, "--tuning", file, "--strict")
    assert replayed.code == 0
    assert "warning" not in replayed.err
    assert f"-O2, {measured['tuned_kernels']} kernels as tuned" in replayed.out
    inspected = ncc("inspect", bundle, "--format", "json").json
    assert inspected["options"]["tuning"] == measured["options"]["tuning"] != ""


@pytest.mark.parametrize("options", [("-O1",), ("-O3",)], ids=" ".join)
def test_the_code_can_be_made_again(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert compile_digits(tmp_path / "d.neff", *options).code == 0
    found = ncc("disasm", tmp_path / "d.neff", "--format", "json").json
    assert all(kernel["as_in_bundle"] for kernel in found["kernels"])


def test_kernels_that_the_file_lacks(tmp_path: Path) -> None:
    file, bundle = tmp_path / "t.json", tmp_path / "d.neff"
    assert compile_digits(bundle, "-O3", "--tuning", file).code == 0
    other = ("--tuning", file, "--auto-cast", "none")
    result = compile_digits(bundle, *other)
    assert result.code == 0
    assert result.err.splitlines()[-1] == (
        "warning: the tuning file has no entry for 4 kernels of the model"
    )
    compile_digits(bundle, *other, "--strict").fails(2, "tuning-miss")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    file, bundle = tmp_path / "t.json", tmp_path / "d.neff"
    assert "no such file" in compile_digits(bundle, "--tuning", file).fails(2, "file-access")
    file.write_text("{}")
    compile_digits(bundle, "--tuning", file).fails(2, "bad-tuning")
    compile_digits(bundle, "-O3", "--tuning", file).fails(2, "bad-tuning")
    file.write_text('{"format": "ncc tuning 9"}')
    compile_digits(bundle, "--tuning", file).fails(6, "tuning-version")
    assert file.read_text() == '{"format": "ncc tuning 9"}'
    assert not bundle.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-O4",), id="no such level"),
        pytest.param(("-O3", "--tuning-budget", "-1"), id="negative time"),
        pytest.param(("--strict",), id="strict about no file"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    compile_digits(tmp_path / "d.neff", *arguments).fails(2, "usage")
