"""Every failure is an error on stderr with a documented exit code, and never a traceback."""

from __future__ import annotations

import errno
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, load, save
from onnx.external_data_helper import convert_model_to_external_data

from ncc import __version__
from ncc.diagnostics import ExitCode
from tests.cli.command_line import DIGITS, ncc, product_model, relu_model, write_model

Write = Callable[[Path], None]


def compile_model(path: Path) -> str:
    """The error that compiling `path` gives, which must be that of an invalid model."""
    result = ncc("compile", path, "-o", path.with_suffix(".neff"))
    error = result.fails(4, "external-data" if "external data" in result.err else "invalid-model")
    assert not path.with_suffix(".neff").exists()
    return error


# Models that are none.


def cyclic(path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="/first"),
        helper.make_node("Relu", ["a"], ["b"], name="/second"),
    ]
    write_model(path, nodes, {"x": (TensorProto.FLOAT, (2,))}, ["b"])


def immense(path: Path) -> None:
    product_model(path, np.zeros((8, 64), np.float32))
    model = load(path)
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    save(model, path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", "x" * 1000)


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1")


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(10_000))


BAD: dict[str, tuple[Write, str]] = {
    "empty": (lambda path: path.touch(), "it is empty"),
    "text": (pointer, "git lfs pull"),
    "zip": (zipped, "zip archive"),
    "random": (random_bytes, "is not an ONNX model"),
    "cyclic": (cyclic, "'/first'"),
    "immense": (immense, "impossible shape"),
}


@pytest.mark.parametrize(("write", "reason"), BAD.values(), ids=BAD)
def test_bad_models(tmp_path: Path, write: Write, reason: str) -> None:
    write(tmp_path / "m.onnx")
    assert reason in compile_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_truncated_models(tmp_path: Path, share: float) -> None:
    data = DIGITS.read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: int(len(data) * share)])
    compile_model(tmp_path / "m.onnx")


def test_models_with_changed_bytes_fail_in_a_documented_way(tmp_path: Path) -> None:
    path, good = relu_model(tmp_path / "m.onnx"), relu_model(tmp_path / "good.onnx").read_bytes()
    documented = {ExitCode.OK, ExitCode.USAGE, ExitCode.UNSUPPORTED, ExitCode.INVALID_MODEL}
    for index in range(len(good)):
        for mask in (1, 0x80):
            path.write_bytes(good[:index] + bytes([good[index] ^ mask]) + good[index + 1 :])
            result = ncc("compile", path, "--to", "import", "-o", "-")
            assert result.code in documented, (index, mask, result.err)


def test_a_model_that_is_absent(tmp_path: Path) -> None:
    arguments = ("compile", tmp_path / "absent.onnx", "-o", tmp_path / "m.neff")
    assert "does not exist" in ncc(*arguments).fails(2, "model-file")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    arguments = ("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.neff")
    assert "not a regular file" in ncc(*arguments).fails(2, "model-file")


@pytest.mark.parametrize("location", ["absent.bin", "../w.bin", "/etc/passwd", "link.bin"])
def test_external_data_that_is_absent_or_outside(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(4096))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    path = product_model(folder / "m.onnx", np.zeros((8, 64), np.float32))
    model = load(path)
    convert_model_to_external_data(model, location="w.bin", size_threshold=0)
    save(model, path)
    model = load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    assert "external data" in compile_model(path)


# Wrong command lines.


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        ((), "missing command", "ncc"),
        (("sign",), "no such command 'sign'", "ncc"),
        (("run",), "missing argument 'BUNDLE'", "ncc run"),
        (("run", "a", "--fast"), "no such option", "ncc run"),
        (("compile", "m.onnx"), "missing option '-o' / '--output'", "ncc compile"),
        (("compile", "m.onnx", "-o", "x", "--auto-cast", "some"), "is not one of", "ncc compile"),
        (("explain", "a", "b"), "unexpected extra argument", "ncc explain"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], message: str, command: str) -> None:
    error = ncc(*arguments).fails(2, "usage")
    assert message in error
    assert error.endswith(f"hint: {command} --help shows what it takes")


def test_version() -> None:
    assert ncc("--version").out == f"ncc {__version__}\n"


def test_help_tells_the_exit_codes() -> None:
    text = " ".join(ncc("-h").out.split())
    for code in (0, 2, 3, 4, 5, 6, 7, 70, 130):
        assert f"{code} " in text[text.index("Exit codes") :]


# Failures of the system, and our own.


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException], None]:
    """Make `ncc run` fail with an exception; reports go to the test's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("NCC_DEBUG", raising=False)

    def arrange(error: BaseException) -> None:
        def load(path: str) -> None:
            raise error.with_traceback(None)

        monkeypatch.setattr("ncc.cli.run.load", load)

    return arrange


Fail = Callable[[BaseException], None]


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (MemoryError(), 5, "out-of-memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 5, "out-of-memory"),
        (OSError(errno.ENOSPC, "No space left on device", "x.npy"), 5, "disk-full"),
        (PermissionError(errno.EACCES, "Permission denied", "x.npy"), 2, "file-access"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_of_the_system(fail: Fail, error: BaseException, code: int, name: str) -> None:
    fail(error)
    ncc("run", "m.neff").fails(code, name)


@pytest.mark.parametrize("error", [AssertionError("two"), ValueError("a\nb"), RecursionError()])
def test_a_bug_leaves_a_report_and_no_traceback(
    fail: Fail, tmp_path: Path, error: Exception
) -> None:
    fail(error)
    text = ncc("run", "m.neff", "--seed", 3).fails(70, "internal")
    (report,) = tmp_path.glob("ncc-internal-error-*.txt")
    assert f"A report is in {report}" in text
    assert type(error).__name__ in text
    kept = report.read_text()
    assert kept.startswith("command: ncc run m.neff --seed 3\n")
    assert f"ncc: {__version__}\n" in kept
    assert "\nnumpy: " in kept
    assert "Traceback (most recent call last)" in kept


def test_the_same_bug_gives_one_report(fail: Fail, tmp_path: Path) -> None:
    fail(AssertionError("one"))
    for seed in (1, 2):
        ncc("run", "m.neff", "--seed", seed).fails(70, "internal")
    assert len(list(tmp_path.glob("ncc-internal-error-*.txt"))) == 1


def test_a_bug_shows_its_traceback_when_asked(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(AssertionError("two"))
    monkeypatch.setenv("NCC_DEBUG", "1")
    result = ncc("run", "m.neff")
    assert result.code == 70
    assert "AssertionError: two" in result.err


def test_a_report_that_cannot_be_saved(fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(AssertionError("two"))
    monkeypatch.setattr(tempfile, "tempdir", "/absent")
    assert "No report could be saved" in ncc("run", "m.neff").fails(70, "internal")


def test_a_reader_that_leaves_is_no_failure(fail: Fail) -> None:
    fail(BrokenPipeError())
    result = ncc("run", "m.neff")
    assert (result.code, result.out, result.err) == (0, "", "")
