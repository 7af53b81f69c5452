"""Bytes that no file holds as they are needed, written to a temporary file.

Weights are mapped from files; a model that exists in memory alone, and tensors that a model stores
as varints or packed nibbles, get a file that lives as long as the process.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import threading
from multiprocessing.util import Finalize
from pathlib import Path

_writing: dict[int, threading.Lock] = {}
"""By process: a fork copies locks as held."""


def spill(data: bytes | memoryview) -> Path:
    """A temporary file with `data`, removed when the process ends; equal data shares one."""
    digest, process = hashlib.sha256(data).hexdigest(), os.getpid()
    with _writing.setdefault(process, threading.Lock()):
        path = _folder(process) / f"{digest}.bin"
        if not path.exists():
            _write(path, data)
    return path


def _write(path: Path, data: bytes | memoryview) -> None:
    """Make a file that has its name when it is complete."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


@functools.cache
def _folder(process: int) -> Path:
    """The folder of `process`, this one, which removes it when it ends; no other process does."""
    path = Path(tempfile.mkdtemp(prefix="ncc-"))
    Finalize(None, shutil.rmtree, (path, True), exitpriority=0)
    return path
