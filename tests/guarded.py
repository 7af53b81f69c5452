"""Arrays between pages that may not be touched, and calls that may not survive touching them."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Edge(Enum):
    """Which end of an array touches a protected page."""

    first = "first"
    last = "last"


def guarded(array: Array, edge: Edge = Edge.last) -> Array:
    """A copy of `array` whose first or last byte is next to a page that may not be touched.

    The memory is shared with forked children (see `survives`) and freed with the array.
    """
    pages = max(-(-array.nbytes // _PAGE), 1) + 2
    base = _libc.mmap(
        None,
        pages * _PAGE,
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_SHARED | mmap.MAP_ANONYMOUS,
        -1,
        0,
    )
    assert base not in (None, ctypes.c_void_p(-1).value), "mmap failed"
    for page in (0, pages - 1):
        assert _libc.mprotect(base + page * _PAGE, _PAGE, _NO_ACCESS) == 0
    inside = _PAGE if edge is Edge.first else (pages - 1) * _PAGE - array.nbytes
    memory = (ctypes.c_uint8 * array.nbytes).from_address(base + inside)
    weakref.finalize(memory, _libc.munmap, base, pages * _PAGE)
    view: Array = np.ndarray(array.shape, array.dtype, buffer=memoryview(memory))
    view[...] = array
    return view


def survives(call: Callable[[], None]) -> None:
    """Run `call` in a forked child and fail if a signal ends it.

    What it writes to guarded arrays is seen here.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    assert os.WEXITSTATUS(status) == 0, "the call raised"
