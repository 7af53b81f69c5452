"""Run a command and see how long it takes and how much memory it and its children hold."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PERIOD_SECONDS = 0.01
"""Between two looks at the memory."""
PROC = Path("/proc")


@dataclass(frozen=True)
class Finished:
    """A command that ended well: wall time, the most memory that all of its processes held at
    once, pages of files that they map included, and what it printed.
    """

    seconds: float
    peak_bytes: int
    output: str


class CommandError(Exception):
    """A command ended with another code than 0; what it said is the message."""


def measured(command: Sequence[str]) -> Finished:
    """Run `command` to its end; CommandError if it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    watch = _Watch(process.pid)
    watch.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - begin
    watch.ended.set()
    watch.join()
    if process.returncode != 0:
        raise CommandError(f"exit {process.returncode}: {errors.strip()}")
    return Finished(seconds, watch.peak, output)


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants until told that they have ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.ended = threading.Event()
        self._pid = pid

    def run(self) -> None:
        while not self.ended.wait(PERIOD_SECONDS):
            self.peak = max(self.peak, sum(map(_resident, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in PROC.glob(f"{pid}/task/*/children"):
        for child in _text(task).split():
            yield from _family(int(child))


def _resident(pid: int) -> int:
    """Resident bytes; 0 for a process that has ended."""
    for line in _text(PROC / str(pid) / "status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
