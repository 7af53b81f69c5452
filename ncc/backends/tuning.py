"""What a backend may choose freely in a kernel, and how one choice is held against another.

A choice changes how fast a kernel is, and in floating point the order of its sums, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ncc.options import Level


class Entry(NamedTuple):
    """A choice as numbers that the backend has names for, and what kernel it is for, for people."""

    kernel: str
    choice: Mapping[str, int]


Entries = Mapping[str, Entry]
"""Choices for one target, by the digest of what the kernel computes on which shapes."""

KEY_LENGTH = 32
"""Hexadecimal digits of such a digest."""


class Region(NamedTuple):
    """Elements that a trial reads: floats are drawn, everything else is zero."""

    offset: int
    dtype: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Versions of one kernel, to be run in turns for about `seconds` in all.

    `code` is an image, `run` where it has the function of that name (docs/neff.md, "Cores"),
    `entries` where it has an entry for each version. Each reads and writes the same
    `arena_nbytes`, and `weights_nbytes` that no cache holds.
    """

    code: bytes
    run: int
    entries: tuple[int, ...]
    arena_nbytes: int
    weights_nbytes: int
    arena: tuple[Region, ...]
    weights: tuple[Region, ...]
    seconds: float


class Timer(Protocol):
    """Runs trials on this machine."""

    def require(self, target: str, features: Sequence[str]) -> None:
        """NccError "tuning-host" (incompatible) unless this machine runs code for `target`."""

    def times(self, trial: Trial) -> list[float | None]:
        """Seconds that a run of each version takes; None for one that crashes or hangs."""

    def now(self) -> float:
        """Seconds since some moment."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a backend is to choose: by `level`, but as in `entries` where they have the kernel.

    `entries` is None without a tuning file. With a `timer`, what they lack is measured for
    `budget` seconds. If `strict`, a kernel that they lack is an error.
    """

    level: Level = Level.O2
    entries: Entries | None = None
    strict: bool = False
    timer: Timer | None = None
    budget: float = 0.0


@dataclass(frozen=True, slots=True)
class Tuned:
    """What became of it: the entries that were used, and the kernels that none was for."""

    entries: Entries = field(default_factory=dict)
    missed: tuple[str, ...] = ()
