"""The other side of `timer`: a process that runs what may crash, and says how long it took."""

from __future__ import annotations

import ctypes
import itertools
import os
import pickle
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np

from ncc.backends.tuning import Region, Trial
from ncc.neff.format import PAGE, round_up
from ncc.runtime.cores import TEAM
from ncc.runtime.cpu import this_host
from ncc.runtime.mapping import Mapping
from ncc.runtime.plan import Call, Code, Workspace
from ncc.runtime.scratch import LARGE_PAGE
from ncc.runtime.tensors import Array

COLD_BYTES, MOST_COPIES = 32 << 20, 256
"""Copies of the weights take turns until they fill this much: more than a core's own caches."""
LEAST_ROUNDS = 5
SAMPLE = 1 << 14
"""Elements that are drawn, and repeated."""


def serve() -> None:
    """Answer trials from stdin with their times on stdout, until stdin ends."""
    this_host()  # asks the system for matrix registers
    while True:
        try:
            trial = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(run(trial), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def run(trial: Trial) -> list[float]:
    """The median time of each version, in seconds on one core; they take turns.

    The arena is in large pages, like that of a network, of which this kernel is a part.
    """
    workspace = Workspace(max(trial.arena_nbytes, LARGE_PAGE), 0)
    _fill(workspace.arena, trial.arena)
    versions = _versions(trial)
    times: list[list[float]] = [[] for _ in versions]
    for calls in versions:
        next(calls)(workspace, 1)
    begin = time.perf_counter()
    while len(times[0]) < LEAST_ROUNDS or time.perf_counter() - begin < trial.seconds:
        for calls, found in zip(versions, times, strict=True):
            call = next(calls)
            start = time.thread_time()
            call(workspace, 1)
            found.append(time.thread_time() - start)
    return [statistics.median(found) for found in times]


def _versions(trial: Trial) -> list[Iterator[Call]]:
    """What calls each version, every time on another copy of the weights."""
    (code,) = _mapped(trial.code, 1)
    code.allow_execution()
    size = round_up(trial.weights_nbytes, PAGE)
    weights = np.zeros(size, np.uint8)
    _fill(weights.ctypes.data, trial.weights)
    copies = 1 + min(COLD_BYTES // size, MOST_COPIES) if size else 1
    places = [Code(code, copy, 0, trial.run, TEAM) for copy in _mapped(weights.tobytes(), copies)]
    return [
        itertools.cycle([place.caller(entry, 0) for place in places]) for entry in trial.entries
    ]


def _mapped(data: bytes, copies: int) -> list[Mapping]:
    """Copies of `data`, whole pages if there are several, mapped as a bundle is."""
    file = os.memfd_create("trial")
    try:
        with open(file, "wb", buffering=0, closefd=False) as target:
            for _ in range(copies):
                target.write(data)
        mappings = [Mapping(file, number * len(data), len(data)) for number in range(copies)]
    finally:
        os.close(file)
    for mapping in mappings:
        mapping.populate()
    return mappings


def _fill(address: int, regions: Sequence[Region]) -> None:
    """Put numbers in memory that take as long to multiply as others, and are good indices."""
    for region in regions:
        memory = (ctypes.c_uint8 * region.nbytes).from_address(address + region.offset)
        np.ctypeslib.as_array(memory)[:] = np.resize(_bytes(region.dtype), region.nbytes)


def _bytes(dtype: str) -> Array:
    """Some elements of a type."""
    drawn = np.random.default_rng(0).standard_normal(SAMPLE, np.float32)
    match dtype:
        case "bf16":
            return (drawn.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        case "f16" | "f32" | "f64":
            return drawn.astype(dtype.replace("f", "float")).view(np.uint8)
    return np.zeros(SAMPLE, np.uint8)
