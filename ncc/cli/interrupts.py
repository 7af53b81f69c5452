"""When ctrl-C and SIGTERM are heard.

Imports are not made to be interrupted: modules in C answer with errors of all kinds. So the
signals wait while modules are loaded, and arrive right after.

Python prints an exception that leaves a finalizer or a callback of C, and goes on. A signal that
was heard in one is remembered, and answered where the command next asks. Until then others change
nothing: what is sent to all processes of a group comes twice, and must not disturb cleaning up.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_heard: list[int] = []
"""The signals that nobody has answered yet."""


def hold() -> None:
    """Let interrupts wait until `listen`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def listen() -> None:
    """Hear interrupts again; KeyboardInterrupt if one has waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def held() -> Iterator[None]:
    """Let interrupts wait in the block."""
    hold()
    try:
        yield
    finally:
        listen()


def install() -> None:
    """SIGTERM does what ctrl-C does: what is unfinished is cleaned up on the way out."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def answer() -> None:
    """KeyboardInterrupt if a signal was heard since the last answer."""
    if _heard:
        _heard.clear()
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    if len(_heard) == 1:
        raise KeyboardInterrupt
