"""Memory of outputs: that of a large one is used again once nobody holds what lies in it.

A fresh large array is pages that the system has to clear, one fault each, which takes longer than
most copies into it. So one array more than the caller holds is kept, like the workspace of a call.
"""

from __future__ import annotations

import math
from sys import getrefcount

import numpy as np

from ncc.neff.format import ValueSpec
from ncc.runtime.tensors import Array, numpy_dtype

LARGE = 16 * 1024
"""Bytes from which memory is kept; below, the allocator of the process has it at hand."""
LINE = 64
"""Bytes of a line of memory: vectors that are stored across two lines take longer."""
KEPT = 2
"""Arrays kept for an output: callers drop a result when they have the next."""


class Output:
    """Makes the arrays of one output, `spec`."""

    def __init__(self, spec: ValueSpec) -> None:
        self._shape = spec.shape or ()
        self._dtype = numpy_dtype(spec.dtype)
        self._bytes = math.prod(self._shape) * self._dtype.itemsize
        self._kept: list[Array] = []

    def array(self) -> Array:
        """An array that nobody else holds, with any contents; threads may ask at the same time."""
        if self._bytes < LARGE:
            return np.empty(self._shape, self._dtype)
        memory, others = self._unused()
        array = np.ndarray(self._shape, self._dtype, memory)
        self._kept = [memory, *others][:KEPT]
        return array

    def _unused(self) -> tuple[Array, list[Array]]:
        """Memory to which no array refers, and what is kept besides.

        What a thread takes from the list no other thread sees: a reference more is the caller's.
        """
        taken: list[Array] = []
        while self._kept:
            try:
                taken.append(self._kept.pop())
            except IndexError:  # another thread took the last one
                break
            if getrefcount(taken[-1].base) == _UNSHARED:
                return taken.pop(), taken
        return _lines(self._bytes), taken


def _lines(nbytes: int) -> Array:
    """So many bytes from the start of a line on. Arrays made in them refer to their `base`."""
    memory = np.empty(nbytes + LINE - 1, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + nbytes]


def _references_to_an_item() -> int:
    """What `getrefcount` says of the base of lines that only a list holds."""
    items = [_lines(1)]
    return getrefcount(items[-1].base)


_UNSHARED = _references_to_an_item()
