"""What a backend hands to the writer of bundles: plain data."""

from __future__ import annotations

from dataclasses import dataclass

from ncc.backends.tuning import Tuned


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One distinct kernel: where its code is, what it does, and its text.

    `limit` names the yardstick of its arithmetic.
    """

    name: str
    offset: int
    nbytes: int
    calls: int
    flops: int
    bytes: int
    sources: tuple[str, ...]
    limit: str
    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A kernel made again from its text: `data` is its code and constants as a bundle holds them.

    The code alone is the `nbytes` bytes at `start`.
    """

    text: str
    assembly: str
    data: bytes
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """A device segment: its entry, the one that writes down times, and what they are of.

    `marks` holds the number of a kernel, or None for a barrier, for each time after the first;
    `cores` is how many have enough to do.
    """

    entry: int
    timed: int
    marks: tuple[int | None, ...]
    cores: int


@dataclass(frozen=True, slots=True)
class YardstickReport:
    """A function in the code that shows what the machine can do; docs/neff.md, "Yardstick"."""

    name: str
    entry: int
    work: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled program: code with an entry for each device segment.

    `serve` and `run` are where the code has the function of a worker and the one that calls
    entries: docs/neff.md, "Cores"; `fingerprint` that which hashes weights.
    `constants` holds the offsets, in the weights, of the constants that host segments read.
    """

    target: str
    features: tuple[str, ...]
    code: bytes
    serve: int
    run: int
    fingerprint: int
    segments: tuple[SegmentReport, ...]
    yardsticks: tuple[YardstickReport, ...]
    arena_nbytes: int
    arena_bound: int
    constants: tuple[int, ...]
    kernels: tuple[KernelReport, ...]
    calls: int
    tuned: Tuned
