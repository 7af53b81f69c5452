"""Cores: worker threads that all sessions share, and calls that run on several at once.

The participants of one call wait for each other in generated code, so all of them must run at the
same time. A call therefore takes idle workers for itself, as many as it wants or as there are, and
runs on those and on the thread that made it: it never waits for a worker and cannot deadlock.
Workers sleep between calls.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import call
from queue import SimpleQueue

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.format import MAX_CORES

VARIABLE = "NCC_RT_NUM_CORES"


def default_cores() -> int:
    """The CPUs that this process may use, at most NCC_RT_NUM_CORES.

    The one place below the command line that reads the environment: a fleet sets the variable for
    programs that it did not write. NccError (usage) unless it is a positive integer.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = os.environ.get(VARIABLE, "")
    return min(usable or 1, core_count(text, VARIABLE) if text else MAX_CORES)


def core_count(cores: int | str, what: str) -> int:
    """`cores` as a number; NccError (usage) unless it is in 1..MAX_CORES."""
    try:
        number = int(cores)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_CORES:
        raise NccError("cores", f"{what} is '{cores}', needs 1 to {MAX_CORES}", exit=ExitCode.USAGE)
    return number


Worker = SimpleQueue[Callable[[], object]]
"""A thread that does what is put here, in order."""


class Pool:
    """Worker threads, started when they are first wanted and kept."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def run(self, entry: Callable[[int, int], object], cores: int, keep: object) -> None:
        """Call `entry(core, n)` for every core of n at the same time, n <= `cores`; wait for all.

        `entry` is native: it runs no Python and does not raise. What it uses is referenced by
        `keep` until the last participant is done, even when the caller is interrupted before.
        """
        self._grow(cores - 1)
        taken: list[Worker] = []
        try:
            with suppress(IndexError):
                while len(taken) < cores - 1:
                    taken.append(self._idle.pop())
            _run_on(taken, entry, keep)
        finally:
            self._idle.extend(taken)

    def _grow(self, count: int) -> None:
        if self._made >= count:
            return
        with self._growing, suppress(RuntimeError):  # the system has no thread left: do with fewer
            while self._made < count:
                self._idle.append(_start())
                self._made += 1

    def _forget(self) -> None:
        """Have no workers: at first, and in the child of a fork, which has no thread but one."""
        self._idle: list[Worker] = []
        self._made = 0
        self._growing = threading.Lock()


POOL = Pool()
"""The workers of this process."""


def _start() -> Worker:
    worker = Worker()
    threading.Thread(target=_serve, args=(worker,), name="ncc-core", daemon=True).start()
    return worker


def _serve(worker: Worker) -> None:
    while True:
        worker.get()()


def _run_on(workers: list[Worker], entry: Callable[[int, int], object], keep: object) -> None:
    count = len(workers) + 1
    done: SimpleQueue[None] = SimpleQueue()
    steps: list[Callable[[], object]] = [
        partial(worker.put, partial(_take_part, entry, core, count, done, keep))
        for core, worker in enumerate(workers, start=1)
    ]
    steps.append(partial(entry, 0, count))
    # One C call, so that no signal is handled inside: were only some parts started, those would
    # wait for the others for ever.
    deque(map(call, steps), maxlen=0)
    for _ in workers:
        done.get()


def _take_part(
    entry: Callable[[int, int], object],
    core: int,
    count: int,
    done: SimpleQueue[None],
    keep: object,
) -> None:
    entry(core, count)
    done.put(None)
