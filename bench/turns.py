"""Time engines against each other: one process each, working in turns so that all see the same
machine. While one is timed the others wait for their turn, asleep.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from engines import ENGINES, Array, Job, Outputs, Run

REFERENCE = "onnxruntime"
WARM_UP_RUNS = 3
REST_SECONDS = 0.05
"""Between turns, for the threads of the last engine to stop spinning."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: turns of each engine, and the least time and runs of a turn."""

    rounds: int = 7
    seconds: float = 0.5
    runs: int = 3


@dataclass(frozen=True)
class Result:
    """Times of all runs of one engine in milliseconds, or why there are none.

    `cosine` is the similarity of its outputs to the reference's.
    """

    times: tuple[float, ...] = ()
    cosine: float = math.nan
    error: str = ""

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    def percentile(self, rank: float) -> float:
        """Milliseconds; not a number when the engine failed."""
        return float(np.percentile(self.times, rank)) if self.times else math.nan


class Player:
    """One engine in its own process, limited to the first `job.cores` cores."""

    def __init__(self, engine: str, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.engine = engine
        self.times: list[float] = []
        self.outputs: Outputs = []
        self.error = ""
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, engine, job), daemon=True)
        self._process.start()
        theirs.close()
        self.outputs = self._receive() or []

    def turn(self, effort: Effort) -> None:
        """Run for one turn and keep the times; nothing once the engine has failed."""
        if not self.error:
            self._connection.send(effort)
            self.times += self._receive() or []
            time.sleep(REST_SECONDS)

    def stop(self) -> None:
        self._connection.close()
        self._process.join()

    def _receive(self) -> list[Any] | None:
        """The next answer; None, with the error kept, when it is a failure."""
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            answer = f"the process ended with code {self._process.exitcode}"
        if isinstance(answer, str):
            self.error = answer
            return None
        return list(answer)


def compete(job: Job, engines: Sequence[str], effort: Effort) -> dict[str, Result]:
    """Time `engines` on one job, in rounds of one turn each."""
    players = [Player(engine, job) for engine in engines]
    for _ in range(effort.rounds):
        for player in players:
            player.turn(effort)
    for player in players:
        player.stop()
    reference = next((player.outputs for player in players if player.engine == REFERENCE), [])
    return {
        p.engine: Result(tuple(p.times), cosine(p.outputs, reference), p.error) for p in players
    }


def cosine(outputs: Outputs, reference: Outputs) -> float:
    """The least cosine similarity over the outputs; not a number without a reference."""
    return min(map(_cosine, outputs, reference), default=math.nan)


def _cosine(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def _serve(connection: Connection, engine: str, job: Job) -> None:
    """The child: load, answer with the outputs, then with the times of each turn asked for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    try:
        run = ENGINES[engine](job)
        outputs = [run() for _ in range(WARM_UP_RUNS)][-1]
    except Exception as error:  # any failure of a peer is its row in the table
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send(outputs)
    while (effort := _next(connection)) is not None:
        connection.send(_timed(run, effort))


def _next(connection: Connection) -> Effort | None:
    try:
        effort = connection.recv()
    except EOFError:
        return None
    assert isinstance(effort, Effort)
    return effort


def _timed(run: Run, effort: Effort) -> list[float]:
    """Milliseconds of each run of a turn."""
    times: list[float] = []
    end = time.perf_counter() + effort.seconds
    while len(times) < effort.runs or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times
