"""A compilation that is watched, and ended at some point."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ncc.neff.reader import open_bundle
from tests.cli.command_line import environment, start


class Compilation:
    """`ncc compile` in a process, with folders of its own for the bundle and temporary files."""

    def __init__(self, model: Path, folder: Path, **options: Any) -> None:
        self.folder, self.temporary = folder / "out", folder / "tmp"
        for path in (self.folder, self.temporary):
            path.mkdir()
        self.bundle = self.folder / "m.neff"
        variables = environment(TMPDIR=str(self.temporary))
        self.process = start("compile", model, "-o", self.bundle, env=variables, **options)
        self.errors = ""

    def wait_for(self, phase: str) -> None:
        """Return when `phase` begins."""
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, b""):
            if line.decode().split()[-1] == phase:
                return
        raise AssertionError(f"no phase '{phase}'")

    def end(self, number: int, process: int | None = None) -> int:
        """Send a signal, to the process that was started or another, and wait; the exit code."""
        os.kill(process or self.process.pid, number)
        _, errors = self.process.communicate(timeout=60)
        self.errors = errors.decode()
        return self.process.returncode


def check_bundle(path: Path) -> None:
    """The bundle is complete or not there."""
    if path.exists():
        with open_bundle(path) as bundle:
            bundle.verify()
