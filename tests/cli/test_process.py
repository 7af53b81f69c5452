"""`ncc` as a process: signals, killed at any moment, full disks, closed pipes, what it imports."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from ncc.cli.interrupts import SIGNALS, answer, held, install
from tests.cli.command_line import (
    DIGITS,
    NCC,
    ROOT,
    environment,
    ncc_process,
    start,
)
from tests.cli.compilation import Compilation, check_bundle


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("import", signal.SIGINT),
        ("lower", signal.SIGINT),
        ("write", signal.SIGINT),
        ("precision", signal.SIGTERM),
        ("write", signal.SIGTERM),
    ],
)
def test_an_interrupted_compilation_leaves_nothing_unfinished(
    large: Path, tmp_path: Path, phase: str, number: int
) -> None:
    job = Compilation(large, tmp_path)
    job.wait_for(phase)
    time.sleep(np.random.default_rng(number).uniform(0, 0.02))
    code = job.end(number)
    check_bundle(job.bundle)
    assert set(job.folder.iterdir()) <= {job.bundle}
    assert list(job.temporary.iterdir()) == []
    if phase == "write" and code == 0:
        return  # it was faster
    assert code == 130
    assert "error[interrupted]" in job.errors
    assert "Traceback" not in job.errors


def test_an_interrupted_compilation_keeps_what_was_there(large: Path, tmp_path: Path) -> None:
    job = Compilation(large, tmp_path)
    job.bundle.write_bytes(b"before")
    job.wait_for("lower")
    assert job.end(signal.SIGINT) == 130
    assert job.bundle.read_bytes() == b"before"


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_a_killed_compilation_leaves_no_partial_bundle(
    large: Path, tmp_path: Path, delay: float
) -> None:
    job = Compilation(large, tmp_path)
    job.wait_for("write")
    time.sleep(delay)
    job.end(signal.SIGKILL)
    check_bundle(job.bundle)
    again = ncc_process("compile", large, "-o", job.bundle)
    assert again.code == 0
    check_bundle(job.bundle)
    assert list(job.folder.iterdir()) == [job.bundle]


@contextmanager
def installed() -> Iterator[None]:
    """Signals as a command hears them; before and after, as they were, and none heard."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    install()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        with suppress(KeyboardInterrupt):
            answer()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_waits_for_imports_to_end(number: signal.Signals) -> None:
    reached = []

    def import_slowly() -> None:
        with held():
            signal.raise_signal(number)
            reached.append(number)

    with installed(), pytest.raises(KeyboardInterrupt):
        import_slowly()
    assert reached == [number]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_that_a_finalizer_swallows_is_answered_later(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Final:
        def __del__(self) -> None:
            signal.raise_signal(number)

    swallowed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", swallowed.append)
    with installed():
        Final()
        with pytest.raises(KeyboardInterrupt):
            answer()
        answer()
    assert len(swallowed) == 1


def test_a_full_disk_is_an_error_and_leaves_nothing(large: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    folder = tmp_path / "out"
    folder.mkdir()
    result = ncc_process("compile", large, "-o", folder / "m.neff", preexec_fn=limit)
    result.fails(5, "disk-full")
    assert list(folder.iterdir()) == []


def test_outputs_that_do_not_fit_are_an_error(large: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))

    bundle, folder = tmp_path / "m.neff", tmp_path / "out"
    assert ncc_process("compile", large, "-o", bundle).code == 0
    arguments = ("run", bundle, "--input", "random", "--output", folder)
    ncc_process(*arguments, preexec_fn=limit).fails(5, "disk-full")
    assert list(folder.iterdir()) == []


def read_only_folder(tmp_path: Path) -> Path:
    """A folder in which this user cannot write; root can in all but those of the system."""
    tmp_path.chmod(0o555)
    for folder in (tmp_path, Path("/sys/kernel"), Path("/proc/sys")):
        if not os.access(folder, os.W_OK):
            return folder
    pytest.skip("this user may write everywhere")


def test_a_read_only_folder_is_an_error(tmp_path: Path) -> None:
    output = read_only_folder(tmp_path) / "d.neff"
    error = ncc_process("compile", DIGITS, "-o", output).fails(2, "output-path")
    assert "not writable" in error


def test_a_reader_that_leaves_early_is_no_error(digits: Path) -> None:
    with start("disasm", digits) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")


def test_a_result_that_cannot_be_printed_is_an_error(digits: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = ncc_process("inspect", digits, stdout=full)
    result.fails(5, "disk-full")


def test_nobody_needs_to_read_the_progress(tmp_path: Path) -> None:
    arguments = ("compile", DIGITS, "-o", tmp_path / "d.neff", "--dim", "batch=1")
    with start(*arguments) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout is not None
        process.stdout.read()
    assert process.returncode == 0
    check_bundle(tmp_path / "d.neff")


def test_streams_may_be_closed(digits: Path) -> None:
    command = ["sh", "-c", '"$0" verify "$1" >&- 2>&-', str(NCC), str(digits)]
    assert subprocess.run(command, check=False).returncode == 0


def test_what_the_locale_cannot_show_is_escaped(digits: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "\N{CJK UNIFIED IDEOGRAPH-4E2D}.neff"
    bundle.write_bytes(digits.read_bytes())
    variables = environment(PYTHONIOENCODING="latin-1")
    assert "\\u4e2d.neff is sound" in ncc_process("verify", bundle, env=variables).out


def test_errors_and_exit_codes_are_those_of_the_process(tmp_path: Path) -> None:
    arguments = ("compile", DIGITS, "-o", tmp_path / "d.neff")
    assert "--dim batch=1" in ncc_process(*arguments).fails(2, "unbound-dims")


HEAVY = ("llvmlite", "onnx", "lark", "rich", "google.protobuf", "ncc.compiler", "ncc.ir")


@pytest.mark.parametrize("command", ["help", "run", "bench", "inspect", "verify", "explain"])
def test_what_runs_on_a_fleet_machine_imports_no_compiler(digits: Path, command: str) -> None:
    arguments = {
        "help": ["--help"],
        "run": ["run", str(digits), "--input", "random"],
        "bench": ["bench", str(digits), "--iterations", "1"],
        "inspect": ["inspect", str(digits)],
        "verify": ["verify", str(digits)],
        "explain": ["explain", "usage"],
    }[command]
    script = (
        "import sys; from ncc.cli.process import run; "
        f"assert run({arguments!r}) == 0; "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stderr == "[]\n"
