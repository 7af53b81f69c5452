"""Bytes that no file holds as they are needed, written to a temporary file.

Weights are mapped from files; a model that exists in memory alone, and tensors that a model stores
as varints or packed nibbles, get a file that lives as long as the process.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
import threading
from pathlib import Path

_ONE_AT_A_TIME = threading.Lock()


def spill(data: bytes | memoryview) -> Path:
    """A temporary file with `data`, removed when the process ends; equal data shares one."""
    digest = hashlib.sha256(data).hexdigest()
    with _ONE_AT_A_TIME:
        path = Path(_folder().name) / f"{digest}.bin"
        if not path.exists():
            _write(path, data)
    return path


def _write(path: Path, data: bytes | memoryview) -> None:
    """Make a file that has its name when it is complete."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ncc-")
