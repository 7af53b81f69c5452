"""One engine in a process of its own: `python bench/player.py`, driven by `turns.Player`.

It reads a pickled `Job`, answers with a `First`, and then answers each pickled `Effort` with the
times of one turn, until its input ends. A failure is answered with its text.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from typing import Any

from engines import ENGINES, Run
from messages import Effort, First, Job

STATUS = "/proc/self/smaps_rollup"


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an engine prints must not get between the answers
    questions = sys.stdin.buffer

    def answer(content: Any) -> None:
        pickle.dump(content, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    job = pickle.load(questions)
    try:
        run, first = start(job)
    except Exception as error:  # any failure of an engine is its row in the table
        answer(f"{type(error).__name__}: {error}")
        return
    answer(first)
    while effort := next_effort(questions):
        answer(turn(run, effort))


def start(job: Job) -> tuple[Run, First]:
    """The engine, loaded, on the first cores of the machine; and what its first run gave."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    run = ENGINES[job.engine].load(job)
    outputs = run()
    return run, First(outputs, time.monotonic(), *memory())


def memory() -> tuple[int, int]:
    """Bytes of this process that are resident, and those of them that are its own alone."""
    with open(STATUS) as status:
        sizes = {line.split()[0]: int(line.split()[1]) << 10 for line in status if "kB" in line}
    return sizes["Rss:"], sizes["Private_Clean:"] + sizes["Private_Dirty:"]


def next_effort(questions: Any) -> Effort | None:
    try:
        effort = pickle.load(questions)
    except EOFError:
        return None
    assert isinstance(effort, Effort)
    return effort


def turn(run: Run, effort: Effort) -> list[float]:
    """Milliseconds of each run of a turn."""
    times: list[float] = []
    end = time.perf_counter() + effort.seconds
    while len(times) < effort.runs or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


if __name__ == "__main__":
    main()
