"""Bytes that no file holds as they are needed, written to a temporary file.

Weights are mapped from files; a model that exists in memory alone, and tensors that a model stores
as varints or packed nibbles, get a file that lives as long as the process.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from pathlib import Path

_NUMBERS = itertools.count()


def spill(data: bytes | memoryview) -> Path:
    """Write `data` to a new temporary file, removed when the process ends."""
    path = Path(_folder().name) / f"{next(_NUMBERS)}.bin"
    path.write_bytes(data)
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ncc-")
