"""What a backend hands to the writer of bundles: plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One distinct kernel: where its code is, what it does, and its text."""

    name: str
    offset: int
    nbytes: int
    calls: int
    flops: int
    bytes: int
    sources: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled program: code with an entry for each device segment.

    `cores` is how many have enough to do in each segment.
    `serve` and `run` are where the code has the function of a worker and the one that calls
    entries: docs/neff.md, "Cores".
    `constants` holds the offsets, in the weights, of the constants that host segments read.
    """

    target: str
    features: tuple[str, ...]
    code: bytes
    serve: int
    run: int
    entries: tuple[int, ...]
    cores: tuple[int, ...]
    arena_nbytes: int
    arena_bound: int
    constants: tuple[int, ...]
    kernels: tuple[KernelReport, ...]
    calls: int
