"""Time engines against each other: one process each, working in turns so that all see the same
machine. While one is timed the others wait for their turn, asleep.
"""

from __future__ import annotations

import math
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines import ENGINES
from messages import Array, Effort, First, Job, Outputs

PLAYER = Path(__file__).with_name("player.py")
REFERENCE = "onnxruntime"
REST_SECONDS = 0.05
"""Between turns, for the threads of the last engine to stop spinning."""
WARM_UP = Effort(seconds=0.0)


@dataclass(frozen=True)
class Result:
    """Times of all runs of one engine in milliseconds, or why there are none.

    `cosine` is the similarity of its outputs to the reference's; `start` the median seconds from
    the start of a process to its first output; `resident` its bytes of memory then, `private`
    those of them that a second process adds beside the first, 0 if there was no second.
    """

    times: tuple[float, ...] = ()
    cosine: float = math.nan
    start: float = math.nan
    resident: int = 0
    private: int = 0
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

    def __init__(self, job: Job) -> None:
        self.engine = job.engine
        self.times: list[float] = []
        self.starts: list[float] = []
        self.first: First | None = None
        self.private = 0
        self.error = ""
        self._job = job

    @property
    def outputs(self) -> Outputs:
        return self.first.outputs if self.first else []

    def start(self) -> None:
        """Begin a process and wait for its first output."""
        begin = time.monotonic()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, PLAYER], stdin=pipe, stdout=pipe)
        first = self._ask(self._job)
        if isinstance(first, First):
            self.first = first
            self.starts.append(first.ready - begin)

    def restart(self) -> None:
        """Another process in the place of this one, which ends only after its first output."""
        if not self.error:
            before = self._process
            self.start()
            before.communicate()
            self.private = self.first.private_bytes if self.first else 0

    def turn(self, effort: Effort) -> None:
        """Run for one turn and keep the times; nothing once the engine has failed."""
        if ENGINES[self.engine].timed:
            self.times += self._ask(effort) or []
            time.sleep(REST_SECONDS)

    def warm_up(self) -> None:
        """A turn that does not count."""
        self.turn(WARM_UP)
        self.times.clear()

    def stop(self) -> None:
        self._process.communicate()

    def result(self, reference: Outputs) -> Result:
        """What there is to say of the engine."""
        if self.first is None or self.error:
            return Result(error=self.error)
        return Result(
            tuple(self.times),
            cosine(self.outputs, reference),
            statistics.median(self.starts),
            self.first.resident_bytes,
            self.private,
        )

    def _ask(self, question: Job | Effort) -> Any:
        """The answer; None, with the error kept, when it is a failure."""
        if self.error:
            return None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(question, self._process.stdin)
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            answer = f"the process ended with code {self._process.wait()}"
        if isinstance(answer, str):
            self.error = answer
            return None
        return answer


def compete(jobs: Sequence[Job], effort: Effort) -> dict[str, Result]:
    """Time the engines of `jobs`: processes started, then rounds of one turn each."""
    players = [Player(job) for job in jobs]
    for player in players:
        player.start()
    for _ in range(effort.starts - 1):
        for player in players:
            player.restart()
    for player in players:
        player.warm_up()
    for _ in range(effort.rounds):
        for player in players:
            player.turn(effort)
    for player in players:
        player.stop()
    return results(players)


def results(players: Sequence[Player]) -> dict[str, Result]:
    """By engine, each compared to the reference where that took part."""
    reference = next((player.outputs for player in players if player.engine == REFERENCE), [])
    return {player.engine: player.result(reference) for player in players}


def cosine(outputs: Outputs, reference: Outputs) -> float:
    """The least cosine similarity over the outputs; not a number without a reference."""
    return min(map(_cosine, outputs, reference), default=math.nan)


def _cosine(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
