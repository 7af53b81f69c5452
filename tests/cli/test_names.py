"""A name that is none is answered with one that is close to it, wherever names are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

import ncc as product
from ncc.diagnostics import NccError
from tests.cli.command_line import DIGITS, ncc


@pytest.mark.parametrize(
    ("arguments", "code", "close"),
    [
        (["compil"], "usage", "compile"),
        (["compile", DIGITS, "-o", "x.neff", "--taget", "a"], "usage", "--target"),
        (["compile", DIGITS, "-o", "x.neff", "--target", "x86-64-v4+fp16"], "unknown-target", None),
        (["compile", DIGITS, "-o", "x.neff", "--dim", "bach=1"], "bad-dims", "batch"),
        (["opt", "-p", "canonicalise", "-"], "unknown-pass", "canonicalize"),
        (["explain", "unbound-dim"], "unknown-code", "unbound-dims"),
    ],
)
def test_a_close_name_is_suggested(arguments: list[str], code: str, close: str | None) -> None:
    wanted = close or "x86-64-v4+bf16"
    assert f"did you mean '{wanted}'?" in ncc(*arguments).fails(2, code).replace("Did", "did")


@pytest.mark.parametrize(
    ("arguments", "code", "close"),
    [
        (["run", "--input", "imag=random"], "bad-input", "image"),
        (["disasm", "--kernel", "k00"], "unknown-kernel", "k0"),
        (["disasm", "--target", "x86-64-v33"], "unknown-target", None),
    ],
)
def test_a_close_name_in_a_bundle_is_suggested(
    digits: Path, arguments: list[str], code: str, close: str | None
) -> None:
    command, *options = arguments
    error = ncc(command, digits, *options).fails(2, code)
    assert "did you mean '" in error
    assert close is None or f"did you mean '{close}'?" in error


def test_a_name_that_is_close_to_none_lists_all() -> None:
    error = ncc("compile", DIGITS, "-o", "x.neff", "--target", "z80").fails(2, "unknown-target")
    assert "hint: targets are x86-64-v3" in error


def test_a_model_that_is_run_is_to_be_compiled_first() -> None:
    error = ncc("run", DIGITS).fails(7, "damaged-bundle")
    assert "it looks like an ONNX model" in error
    assert "hint: compile it first: ncc compile" in error


def test_the_target_is_checked_before_the_model_is_read() -> None:
    with pytest.raises(NccError, match="there is no target 'z80'"):
        product.compile("no such model", target="z80")
