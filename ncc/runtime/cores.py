"""Cores: worker threads that all sessions of a process share.

What a worker does, and how a call takes some for itself, is machine code in the bundles; this
module owns the memory that they meet in and starts the threads. docs/neff.md, "Cores", is the
contract.
"""

from __future__ import annotations

import ctypes
import operator
import os
import threading

import numpy as np

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.format import MAX_CORES
from ncc.runtime.mapping import Mapping

VARIABLE = "NCC_RT_NUM_CORES"
THREAD_NAME = b"ncc-core"

SLOT_BYTES = 128
"""Of one worker in the memory of a team, and of the head in front of the first."""

_libc = ctypes.CDLL(None)
_libc.pthread_create.argtypes = (ctypes.c_void_p,) * 4
_libc.pthread_detach.argtypes = (ctypes.c_ulong,)
_libc.pthread_setname_np.argtypes = (ctypes.c_ulong, ctypes.c_char_p)


def default_cores() -> int:
    """The CPUs that this process may use, at most NCC_RT_NUM_CORES.

    The one place below the command line that reads the environment: a fleet sets the variable for
    programs that it did not write. NccError (usage) unless it is a positive integer.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = os.environ.get(VARIABLE, "")
    return min(usable or 1, core_count(text, VARIABLE) if text else MAX_CORES)


def core_count(cores: int | str, what: str) -> int:
    """`cores`, an integer or text of one, as a number; NccError (usage) unless in 1..MAX_CORES."""
    try:
        number = int(cores) if isinstance(cores, str) else operator.index(cores)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= MAX_CORES:
        raise NccError("cores", f"{what} is '{cores}', needs 1 to {MAX_CORES}", exit=ExitCode.USAGE)
    return number


class Team:
    """Workers, started when they are first wanted and kept, and the memory at `address`.

    They are threads of the system that Python knows nothing of: they need no lock of the
    interpreter, hence outlive it, and sleep while there is nothing to do.
    """

    def __init__(self) -> None:
        memory = np.zeros((2 + MAX_CORES) * SLOT_BYTES, np.uint8)
        self.address = memory.ctypes.data + -memory.ctypes.data % SLOT_BYTES
        _FOREVER.append(memory)
        self._count = ctypes.c_int64.from_address(self.address)
        self._made = 0
        self._growing = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def grow(self, count: int, code: Mapping, serve: int) -> None:
        """Have at least `count` workers; new ones run the function at `serve` in `code`.

        That code then stays mapped for ever. The system may have no thread left: do with fewer.
        """
        if self._made >= count:
            return
        with self._growing:
            if self._made < count:
                _FOREVER.append(code)
            while self._made < min(count, MAX_CORES):
                # Counted first: whatever interrupts this, a slot never has two threads.
                slot = self.address + SLOT_BYTES * (1 + self._made)
                self._made += 1
                if not _start(code.address + serve, slot):
                    return
                ctypes.c_int32.from_address(slot).value = 1
                self._count.value = self._made

    def _forget(self) -> None:
        """Have no workers: the child of a fork has no thread but one."""
        ctypes.memset(self.address, 0, SLOT_BYTES * (1 + self._made))
        self._made = 0
        self._growing = threading.Lock()


def _start(function: int, slot: int) -> bool:
    """Whether there is a new thread that runs `function` with `slot`."""
    thread = ctypes.c_ulong()
    if _libc.pthread_create(ctypes.addressof(thread), None, function, slot):
        return False
    _libc.pthread_setname_np(thread, THREAD_NAME)
    _libc.pthread_detach(thread)
    return True


_FOREVER: list[object] = []
"""What workers use, which never end."""

TEAM = Team()
"""The workers of this process."""
