"""Bundles made by the command line, before anything is timed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import measured

NCC = (str(Path(sys.executable).with_name("ncc")),)


@dataclass(frozen=True)
class Built:
    """A bundle and what it took, as of `processes.Finished`; `figures` is what the command said."""

    path: Path
    seconds: float
    peak_bytes: int
    own_bytes: int
    figures: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size


def build(
    model: Path, bundle: Path, *, dims: Mapping[str, int], options: Sequence[str] = ()
) -> Built:
    """Compile `model` to `bundle`; CommandError with what the compiler said if it cannot."""
    bundle.parent.mkdir(parents=True, exist_ok=True)
    sizes = [part for name, size in dims.items() for part in ("--dim", f"{name}={size}")]
    command = [*NCC, "compile", str(model), "-o", str(bundle), *sizes, *options]
    finished = measured([*command, "--format", "json"])
    figures = json.loads(finished.output)
    return Built(bundle, finished.seconds, finished.peak_bytes, finished.own_bytes, figures)
