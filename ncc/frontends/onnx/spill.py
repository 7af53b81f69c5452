"""Bytes that no file holds as they are needed, written to a temporary file.

Weights are mapped from files; a model that exists in memory alone, and tensors that a model stores
as varints or packed nibbles, get a file that lives as long as the process.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path


def spill(data: bytes | memoryview) -> Path:
    """A temporary file with `data`, removed when the process ends; equal data shares one."""
    path = Path(_folder().name) / f"{hashlib.sha256(data).hexdigest()}.bin"
    if not path.exists():
        path.write_bytes(data)
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ncc-")
