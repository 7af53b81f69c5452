"""Parts of a file mapped read-only into memory, and made executable once they were checked.

The memory is shared with every process that maps the same file. The file is opened for reading
only, so the system itself refuses to make it writable: nothing is ever writable and executable.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_POPULATE_READ = 22
"""MADV_POPULATE_READ of madvise(2), since Linux 5.14."""
_FAILED = ctypes.c_void_p(-1).value


class Mapping:
    """`size` bytes of an open file from `offset` on, at `address`.

    Unmapped when the last reference goes. An empty part has address 0. Raises OSError.
    """

    __slots__ = ("__weakref__", "_base", "_length", "address", "size")

    def __init__(self, file: int, offset: int, size: int) -> None:
        before = offset % mmap.PAGESIZE
        self.size = size
        self.address = self._base = self._length = 0
        if size:
            self._length = before + size
            self._base = _map(file, offset - before, self._length)
            self.address = self._base + before
            release = weakref.finalize(self, _libc.munmap, self._base, self._length)
            # At exit other threads may still run this code; the system unmaps it.
            release.atexit = False

    def view(self) -> memoryview:
        """The mapped bytes, read-only; they stay mapped while it, or an array of it, lives."""
        array = ctypes.c_ubyte * self.size
        whole = array.from_address(self.address) if self.size else array()
        whole.mapping = self  # type: ignore[attr-defined]  # what the view refers to, it keeps
        return memoryview(whole).cast("B").toreadonly()

    def part(self, start: int, end: int) -> memoryview:
        """The mapped bytes from one offset to another."""
        return self.view()[start:end]

    def populate(self) -> None:
        """Bring all of it into memory at once, in large pages, where the system can."""
        _libc.madvise(self._base, self._length, mmap.MADV_HUGEPAGE)
        _libc.madvise(self._base, self._length, _POPULATE_READ)

    def allow_execution(self) -> None:
        """Make the mapped bytes executable. Raises OSError."""
        if self.size and _libc.mprotect(self._base, self._length, mmap.PROT_READ | mmap.PROT_EXEC):
            raise _error()


def _map(file: int, offset: int, length: int) -> int:
    base = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, file, offset)
    if base == _FAILED:
        raise _error()
    return int(base)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
