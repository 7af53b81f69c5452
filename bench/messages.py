"""What `turns.Player` and the process that it drives, `player.py`, say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Outputs = list[Array]


@dataclass(frozen=True)
class Job:
    """What one process does: run `file` by an engine on some cores.

    `file` is a bundle for ncc and the ONNX model for the others; `dims` binds its symbols.
    """

    engine: str
    file: str
    dims: Mapping[str, int]
    inputs: Mapping[str, Array]
    cores: int


@dataclass(frozen=True)
class First:
    """The first outputs and when they were there, in seconds of the monotonic clock; and the
    memory that the process then had: all that is resident, and what no other process shares.
    """

    outputs: Outputs
    ready: float
    resident_bytes: int
    private_bytes: int


@dataclass(frozen=True)
class Effort:
    """How long to measure: processes started of each engine, turns of each, and the least time
    and runs of a turn.
    """

    starts: int = 3
    rounds: int = 7
    seconds: float = 0.3
    runs: int = 3
