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
    """A command that ended well: wall time, the most memory that all of its processes had at once,
    and what it printed. `peak_bytes` is all that was resident; `own_bytes` leaves out the pages of
    files that they map, which the system takes back when it needs them.
    """

    seconds: float
    peak_bytes: int
    own_bytes: int
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
    return Finished(seconds, watch.peak, watch.own, output)


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants until told that they have ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = self.own = 0
        self.ended = threading.Event()
        self._pid = pid

    def run(self) -> None:
        while not self.ended.wait(PERIOD_SECONDS):
            held = [_resident(pid) for pid in _family(self._pid)]
            self.peak = max(self.peak, sum(total for total, _ in held))
            self.own = max(self.own, sum(own for _, own in held))


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in PROC.glob(f"{pid}/task/*/children"):
        for child in _text(task).split():
            yield from _family(int(child))


def _resident(pid: int) -> tuple[int, int]:
    """Resident bytes, and those of them that are not of files; 0 for a process that has ended."""
    lines = (line.split() for line in _text(PROC / str(pid) / "status").splitlines())
    sizes = {words[0]: int(words[1]) << 10 for words in lines if words[0].startswith(("Vm", "Rss"))}
    total = sizes.get("VmRSS:", 0)
    return total, total - sizes.get("RssFile:", 0)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
