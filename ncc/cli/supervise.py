"""Work in a process of its own, where what ends that process by force is an error like any other.

LLVM ends its process when it finds no instruction for something, and the system ends one that asks
for the last memory. The process that was started only waits.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""
SI_KERNEL = 0x80
"""asm-generic/siginfo.h: a signal from the terminal, which all of its processes get."""

AWAITED = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)


class EndedError(Exception):
    """A signal ended the process; `stack` is what Python had on its stack, if it could tell."""

    def __init__(self, number: int, stack: str) -> None:
        name = next((known.name for known in signal.Signals if known == number), f"signal {number}")
        super().__init__(f"ended by {name}\n{stack}")
        self.number = number


def supervised(work: Callable[[], int]) -> int:
    """What `work` returns in a child of this process, which must have one thread.

    An interrupt that only this process gets is passed on; if this process ends, so does the
    child. Raises EndedError where a signal ended the child, MemoryError where there can be none.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, no end of a child is told
    stack = os.memfd_create("stack")
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError as reason:
        raise MemoryError("the system starts no other process") from reason
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _end_with(parent)
        faulthandler.enable(stack)
        sys.exit(work())
    status = _wait(child)
    if os.WIFSIGNALED(status):
        text = os.pread(stack, os.fstat(stack).st_size, 0).decode(errors="replace")
        raise EndedError(os.WTERMSIG(status), text)
    return os.WEXITSTATUS(status)


def _end_with(parent: int) -> None:
    """Get SIGTERM when the parent ends, however it does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)


def _wait(child: int) -> int:
    """The status that the child ends with."""
    while True:
        heard = signal.sigwaitinfo(AWAITED)
        if heard.si_signo != signal.SIGCHLD:
            if heard.si_code != SI_KERNEL:
                os.kill(child, heard.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
