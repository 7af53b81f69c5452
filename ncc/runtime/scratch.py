"""Memory that a process has for itself, in large pages where the system has them.

One entry of the processor's address cache then covers 2 MiB of an arena instead of 4 KiB, and the
first call meets one page fault instead of 512.
"""

from __future__ import annotations

import ctypes
import mmap
from contextlib import suppress

from ncc.neff.format import PAGE, round_up

LARGE_PAGE = 1 << 21
"""The usual size of a transparent huge page on x86-64 and aarch64."""


class Scratch:
    """`size` bytes at `address`, on a page, or on a large page if there is one to fill.

    Unmapped when the last reference goes, to it or to a part of it. Raises MemoryError.
    """

    def __init__(self, size: int) -> None:
        large = (size + LARGE_PAGE // 2) // LARGE_PAGE * LARGE_PAGE if size >= LARGE_PAGE else 0
        alignment = LARGE_PAGE if large else PAGE
        length = max(round_up(size, PAGE), large) + alignment
        try:
            self._memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            raise MemoryError(f"{size} bytes") from None
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._start = -base % alignment
        self.address = base + self._start
        if large:
            with suppress(OSError):  # a system without them
                self._memory.madvise(mmap.MADV_HUGEPAGE, self._start, large)

    def part(self, start: int, end: int) -> memoryview:
        """The bytes from one offset to another."""
        return memoryview(self._memory)[self._start + start : self._start + end]
