"""When ctrl-C and SIGTERM are heard.

Imports are not made to be interrupted: modules in C answer with errors of all kinds. So the
signals wait while modules are loaded, and arrive right after.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


def treat_termination_as_interrupt() -> None:
    """SIGTERM does what ctrl-C does: what is unfinished is cleaned up on the way out."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
