"""ncc compile: the bundle, the summary, the text between phases."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import ncc as product
from ncc.compiler import POINTS
from ncc.neff.reader import open_bundle
from tests.cli.command_line import (
    DIGITS,
    Result,
    ncc,
    product_model,
    relu_model,
    two_inputs_model,
    write_model,
)

ONE = ("--dim", "batch=1")


def compile_digits(output: Path | str, *arguments: object) -> Result:
    return ncc("compile", DIGITS, "-o", output, *ONE, *arguments)


def test_a_bundle_is_written_and_summed_up(tmp_path: Path) -> None:
    result = compile_digits(tmp_path / "d.neff")
    assert result.code == 0
    with product.load(tmp_path / "d.neff") as model:
        assert [spec.name for spec in model.inputs] == ["image"]
    first, *facts = result.out.splitlines()
    assert first == f"{DIGITS} -> {tmp_path / 'd.neff'}"
    names = [line[2:].split("  ")[0] for line in facts]
    assert names == [
        *("target", "precision", "ops", "arithmetic", "kernels", "code", "weights", "arena"),
        *("bundle", "compiled", "peak memory"),
    ]
    assert "100.0 % on the device" in result.out


def test_a_model_may_have_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = relu_model(tmp_path / os.fsdecode(b"m\xff.onnx"))
    assert ncc("compile", path, "-o", tmp_path / "m.neff").code == 0
    assert ncc("inspect", tmp_path / "m.neff", "--format", "json").json["source"] == r"m\udcff.onnx"


def test_phases_are_lines_on_stderr_when_it_is_no_terminal(tmp_path: Path) -> None:
    names = [*POINTS, "lower", "write"]
    lines = [f"[{i}/{len(names)}] {name}" for i, name in enumerate(names, 1)]
    assert compile_digits(tmp_path / "d.neff").err.splitlines() == lines


def test_the_summary_as_json_has_exact_numbers(tmp_path: Path) -> None:
    path = tmp_path / "d.neff"
    found = compile_digits(path, "--format", "json", "--target", "x86-64-v3").json
    with open_bundle(path) as bundle:
        report = bundle.manifest.report
        assert {name: found[name] for name in report} == report
        assert found["uuid"].replace("-", "") == bundle.header.uuid.hex()
    assert found["bundle_bytes"] == path.stat().st_size
    assert found["options"]["target"] == "x86-64-v3"
    assert found["options"]["auto_cast"] == "none"
    assert found["seconds"] > 0
    assert found["peak_memory_bytes"] > 1 << 20


def test_nothing_is_written_but_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compile_digits("d.neff").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["d.neff"]


def test_precision_is_what_was_asked_for(tmp_path: Path) -> None:
    bf16 = ("--target", "x86-64-v4+bf16", "--format", "json")
    by_default = compile_digits(tmp_path / "a.neff", *bf16).json["options"]
    assert by_default["auto_cast"] == "matmult"
    assert by_default["auto_cast_type"] == "bf16"
    plain = compile_digits(tmp_path / "b.neff", *bf16, "--auto-cast", "none").json["options"]
    assert plain["auto_cast"] == "none"
    kept = ("--auto-cast", "all", "--keep-fp32", "classifier")
    text = compile_digits(tmp_path / "c.neff", "--target", "x86-64-v4+bf16", *kept).out
    assert "stored as bf16" in text
    assert "(--auto-cast all, --keep-fp32 classifier)" in text


def test_a_node_that_is_to_be_kept_exists(tmp_path: Path) -> None:
    result = compile_digits(tmp_path / "d.neff", "--keep-fp32", "clasifier")
    assert "is found in the name of no node" in result.fails(2, "unmatched-name")
    assert "did you mean '/classifier/" in result.err


def test_sizes_that_no_run_has_memory_for_are_refused(tmp_path: Path) -> None:
    error = ncc(
        *("compile", DIGITS, "-o", tmp_path / "d.neff", "--dim", "batch=100000000"),
    ).fails(5, "out-of-memory")
    assert "GB for the arena, inputs and outputs, and this machine has" in error
    assert not (tmp_path / "d.neff").exists()


def test_host_nodes_are_listed_with_the_reason_and_refused_with_no_host(tmp_path: Path) -> None:
    model, bundle = two_inputs_model(tmp_path / "m.onnx"), tmp_path / "m.neff"
    text = ncc("compile", model, "-o", bundle).out
    table = text[text.index("on the host") :].splitlines()
    assert "'/nonzero'" in table[2]
    assert "has no fixed size" in table[2]
    bundle.unlink()
    error = ncc("compile", model, "-o", bundle, "--no-host").fails(3, "host-segment")
    assert "node '/nonzero' (onnx NonZero)" in error
    assert not bundle.exists()


def test_open_sizes_are_an_error_that_shows_the_flags(tmp_path: Path) -> None:
    model = relu_model(tmp_path / "m.onnx", ("n", "c"))
    error = ncc("compile", model, "-o", tmp_path / "m.neff").fails(2, "unbound-dims")
    assert "--dim n=1 --dim c=1" in error


@pytest.mark.parametrize(
    "flags",
    [
        ("--dim", "n=2", "--dim", "c=3"),
        ("--shape", "x=2x3"),
        ("--shape", "x=2, 3"),
        ("--shape", "x=nxc", "--dim", "n=2", "--dim", "c=3"),
    ],
)
def test_sizes_are_bound_by_symbol_or_by_input(tmp_path: Path, flags: tuple[str, ...]) -> None:
    model, bundle = relu_model(tmp_path / "m.onnx", ("n", "c")), tmp_path / "m.neff"
    assert ncc("compile", model, "-o", bundle, *flags).code == 0
    with product.load(bundle) as loaded:
        assert loaded.inputs[0].shape == (2, 3)


@pytest.mark.parametrize(
    "flags",
    [
        ("--dim", "n"),
        ("--dim", "=2"),
        ("--dim", "n=-2"),
        ("--dim", "n=2,3"),
        ("--dim", "n=2", "--dim", "n=3"),
        ("--shape", "x"),
        ("--shape", "x=2xx3"),
    ],
)
def test_sizes_of_a_wrong_form_are_an_error_of_usage(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    ncc("compile", "absent.onnx", "-o", tmp_path / "m.neff", *flags).fails(2, "usage")


def test_a_scalar_has_an_empty_shape(tmp_path: Path) -> None:
    model, bundle = relu_model(tmp_path / "m.onnx", ()), tmp_path / "m.neff"
    assert ncc("compile", model, "-o", bundle, "--shape", "x=").code == 0


def test_nan_is_refused_unless_it_is_wanted(tmp_path: Path) -> None:
    weight = np.full((8, 64), np.nan, np.float32)
    model, bundle = product_model(tmp_path / "m.onnx", weight), tmp_path / "m.neff"
    assert "'w'" in ncc("compile", model, "-o", bundle).fails(4, "nan-weight")
    assert ncc("compile", model, "-o", bundle, "--allow-nan").code == 0


@pytest.mark.parametrize(
    ("output", "reason"), [("absent/m.neff", "no folder"), (".", "not a file")]
)
def test_the_output_is_checked_before_the_model_is_read(
    tmp_path: Path, output: str, reason: str
) -> None:
    error = ncc("compile", "absent.onnx", "-o", tmp_path / output).fails(2, "output-path")
    assert reason in error


def test_a_model_is_not_overwritten_by_its_bundle(tmp_path: Path) -> None:
    model = relu_model(tmp_path / "m.onnx")
    link = tmp_path / "link.neff"
    link.symlink_to(model)
    before = model.read_bytes()
    for output in (model, link):
        assert "is the model" in ncc("compile", model, "-o", output).fails(2, "output-path")
    assert model.read_bytes() == before


def test_an_unknown_target_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    arguments = ("-o", tmp_path / "m.neff", "--target", "z80")
    error = ncc("compile", "absent.onnx", *arguments).fails(2, "unknown-target")
    assert "x86-64-v3" in error


def test_missing_operators_are_named_with_their_nodes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Wavelet", ["x"], ["y"], name="/w", domain=""),
        helper.make_node("Fourier", ["y"], ["z"], name="/f", domain=""),
    ]
    model = write_model(tmp_path / "m.onnx", nodes, {"x": (TensorProto.FLOAT, (2,))}, ["z"])
    error = ncc("compile", model, "-o", tmp_path / "m.neff").fails(3, "unsupported-op")
    assert "Fourier (1), Wavelet (1)" in error
    assert "node '/w'" in error


# Text between phases.


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bundle of the digits model, compiled in one go."""
    path = tmp_path_factory.mktemp("direct") / "d.neff"
    assert compile_digits(path).code == 0
    return path.read_bytes()


@pytest.mark.parametrize("phase", POINTS)
def test_text_after_a_phase_leads_to_the_same_bundle(
    tmp_path: Path, phase: str, direct: bytes
) -> None:
    text, bundle = tmp_path / "d.ncc", tmp_path / "d.neff"
    assert compile_digits(text, "--to", phase).out == ""
    assert ncc("compile", text, "--from", phase, "-o", bundle, *ONE).code == 0
    assert bundle.read_bytes() == direct


def test_text_goes_to_stdout_alone() -> None:
    result = compile_digits("-", "--to", "simplify")
    assert result.code == 0
    assert result.out.startswith("graph @main_graph(%image: f32[1, 1, 8, 8])")
    assert result.out.endswith("}\n")


def test_text_may_be_taken_through_some_phases(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ncc", tmp_path / "b.ncc"
    assert compile_digits(first, "--to", "simplify").code == 0
    steps = ("--from", "simplify", "--to", "place")
    assert ncc("compile", first, *steps, "-o", second).code == 0
    assert second.read_text() == compile_digits("-", "--to", "place").out


def test_phases_must_be_in_order(tmp_path: Path) -> None:
    arguments = ("--from", "place", "--to", "place", "-o", "-")
    assert "does not come after" in ncc("compile", "a.ncc", *arguments).fails(2, "usage")


@pytest.mark.parametrize(("written", "claimed"), [("simplify", "place"), ("place", "fuse")])
def test_text_of_another_phase_is_refused(tmp_path: Path, written: str, claimed: str) -> None:
    text = tmp_path / "d.ncc"
    assert compile_digits(text, "--to", written).code == 0
    arguments = ("--from", claimed, "-o", tmp_path / "d.neff")
    ncc("compile", text, *arguments).fails(2, "wrong-phase")


def test_text_with_open_sizes_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "g.ncc"
    text.write_text("graph @g(%x: f32[n]) {\n  %0 = relu(%x)\n  return %0\n}\n")
    arguments = ("--from", "import", "-o", tmp_path / "g.neff")
    assert "'x'" in ncc("compile", text, *arguments).fails(2, "unbound-dims")


def test_weights_that_changed_since_text_was_written_are_refused(tmp_path: Path) -> None:
    weight = np.arange(512, dtype=np.float32).reshape(8, 64)
    model, text = product_model(tmp_path / "m.onnx", weight), tmp_path / "m.ncc"
    assert ncc("compile", model, "-o", text, "--to", "import").code == 0
    arguments = ("compile", text, "--from", "import", "-o", tmp_path / "m.neff")
    product_model(model, weight + 1)
    assert "not the file" in ncc(*arguments).fails(4, "weight-file")
    model.unlink()
    assert "no such file" in ncc(*arguments).fails(4, "weight-file")


def test_each_phase_is_dumped(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert compile_digits(tmp_path / "d.neff", "--dump-ir", folder).code == 0
    names = [f"{i:02d}-{name}.ncc" for i, name in enumerate(POINTS)]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "02-precision.ncc").read_text() == compile_digits("-", "--to", "precision").out
