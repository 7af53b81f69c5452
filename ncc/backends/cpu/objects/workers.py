"""Compile many texts on several cores.

LLVM is behind one lock per process, so threads would wait for each other: other interpreters are
started, but only for work that takes longer than starting them.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from ncc.backends.cpu.objects.llvm import compile_text
from ncc.backends.cpu.target import Target

MIN_SHARE = 1_000_000
"""Work that another process must get to be worth it, about a second: bytes of text."""
TEXT = 3_000
"""The work that each text takes whatever its length, in bytes of text."""

_START = (
    "import sys; sys.path[:] = {path!r}; "
    "from ncc.backends.cpu.objects.workers import serve; serve()"
)


def compile_texts(texts: Sequence[str], target: Target, jobs: int) -> list[bytes]:
    """The objects of `texts`, in order, by at most `jobs` processes including this one."""
    work = [TEXT + len(text) for text in texts]
    shares = _shares(work, min(jobs, 1 + sum(work) // MIN_SHARE))
    others = [_start([texts[i] for i in share], target) for share in shares[1:]]
    try:
        done = [[compile_text(texts[i], target) for i in shares[0]], *map(_finish, others)]
    finally:
        for other in others:
            other.kill()
            other.wait()
    placed = [
        pair
        for share, objects in zip(shares, done, strict=True)
        for pair in zip(share, objects, strict=True)
    ]
    return [data for _, data in sorted(placed)]


def _shares(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Positions in `count` groups of about the same sum: the largest first, to the emptiest."""
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for position in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = loads.index(min(loads))
        shares[least].append(position)
        loads[least] += sizes[position]
    return shares


def _start(texts: list[str], target: Target) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _START.format(path=sys.path)]
    pipe = subprocess.PIPE
    # A group of its own: ctrl-C on the terminal is for this process, which ends the others.
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, process_group=0)
    assert worker.stdin is not None
    with suppress(BrokenPipeError), worker.stdin:  # what it ended with is seen in `_finish`
        pickle.dump((texts, target), worker.stdin)
    return worker


def _finish(worker: subprocess.Popen[bytes]) -> list[bytes]:
    assert worker.stdout is not None
    data = worker.stdout.read()
    status = worker.wait()
    if status == -signal.SIGKILL:
        raise MemoryError("something killed a compiling process, as the system does then")
    if status != 0:
        raise RuntimeError(f"a compiling process ended with status {status}")
    objects: list[bytes] = pickle.loads(data)
    return objects


def serve() -> None:
    """The other side: texts and a target from stdin, objects to stdout."""
    texts, target = pickle.load(sys.stdin.buffer)
    objects = [compile_text(text, target) for text in texts]
    pickle.dump(objects, sys.stdout.buffer)
