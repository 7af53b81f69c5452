"""A compilation that something ends by force: an error with a code, and nothing left behind."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.cli.command_line import hear_signals, relu_model
from tests.cli.compilation import Compilation


def child_of(process: int) -> int:
    """The only child of a process."""
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(child)


@pytest.fixture
def job(large: Path, tmp_path: Path) -> Compilation:
    """A compilation in its phase `lower`."""
    job = Compilation(large, tmp_path)
    job.wait_for("lower")
    return job


@pytest.fixture
def relu_file(tmp_path: Path) -> Path:
    """A small model."""
    return relu_model(tmp_path / "relu.onnx")


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_what_ends_the_compiler_is_a_bug_with_a_report(
    job: Compilation, number: signal.Signals
) -> None:
    assert job.end(number, child_of(job.process.pid)) == 70
    assert f"error[internal]: ncc failed where it should not (ended by {number.name})" in job.errors
    assert "Traceback" not in job.errors
    (report,) = job.temporary.iterdir()
    assert str(report) in job.errors
    text = report.read_text()
    assert text.startswith("command: ncc compile")
    assert "most recent call first" in text, "the stack at the time"
    assert list(job.folder.iterdir()) == []


def test_a_compiler_that_is_killed_had_no_memory(job: Compilation) -> None:
    assert job.end(signal.SIGKILL, child_of(job.process.pid)) == 5
    assert "error[out-of-memory]" in job.errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_compiler_ends_with_the_process_that_was_started(
    job: Compilation, number: signal.Signals
) -> None:
    assert job.end(number) == -number
    assert "error[interrupted]" in job.errors
    assert list(job.folder.iterdir()) == []


@pytest.mark.parametrize("phase", ["import", "lower"])
def test_a_signal_to_all_processes_is_one_interrupt(
    large: Path, tmp_path: Path, phase: str
) -> None:
    job = Compilation(large, tmp_path)
    job.wait_for(phase)
    os.killpg(job.process.pid, signal.SIGTERM)
    assert job.end(signal.SIGTERM) == 130
    assert job.errors.count("error[") == 1
    assert "Traceback" not in job.errors
    assert list(job.folder.iterdir()) == []


def test_a_compilation_ends_where_children_are_ignored(relu_file: Path, tmp_path: Path) -> None:
    def ignore_children() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    job = Compilation(relu_file, tmp_path, preexec_fn=ignore_children)
    job.process.communicate(timeout=60)
    assert job.process.returncode == 0


def test_ctrl_c_on_a_terminal_is_heard_once(large: Path, tmp_path: Path) -> None:
    terminal, end = pty.openpty()

    def take_terminal() -> None:
        hear_signals()
        os.setsid()
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)

    job = Compilation(large, tmp_path, process_group=-1, preexec_fn=take_terminal)
    job.wait_for("lower")
    os.write(terminal, b"\x03")
    assert job.end(signal.SIGCONT) == 130
    assert job.errors.count("error[interrupted]") == 1
    assert "Traceback" not in job.errors
    assert list(job.folder.iterdir()) == []
    os.close(terminal)
    os.close(end)


def test_no_room_for_another_process_is_an_error(relu_file: Path) -> None:
    forbid = "import os\ndef fork(): raise OSError(11, 'busy')\nos.fork = fork\n"
    begin = f"from ncc.cli import main; import sys; sys.argv[1:] = ['compile', {str(relu_file)!r}]"
    result = subprocess.run(
        [sys.executable, "-c", f"{forbid}{begin}; main()"], capture_output=True, check=False
    )
    assert result.returncode == 5
    assert b"error[out-of-memory]" in result.stderr
