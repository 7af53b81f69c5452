"""Digests of sections: of their parts, so that several cores can check one section.

The digest of a section is the SHA-256 of the SHA-256 digests of its parts, one after another. A
part is 1 MiB, the last one what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

from ncc.neff.format import PART

Part = Callable[[int, int], bytes | memoryview]
"""The bytes from an offset in a section to another."""


class Digest:
    """The digest of bytes that come in chunks of any size."""

    def __init__(self) -> None:
        self._parts = sha256()
        self._part = sha256()
        self._room = PART

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(chunk)
        rest = view.cast("B") if view.nbytes else b""
        while rest:
            head, rest = rest[: self._room], rest[self._room :]
            self._part.update(head)
            self._room -= len(head)
            if not self._room:
                self._close()

    def digest(self) -> bytes:
        """The digest; nothing may follow."""
        if self._room < PART:
            self._close()
        return self._parts.digest()

    def _close(self) -> None:
        self._parts.update(self._part.digest())
        self._part = sha256()
        self._room = PART


def parallel_digest(size: int, part: Part, threads: int) -> bytes:
    """The digest of `size` bytes that `part` gives; it is called from `threads` threads at once."""
    starts = range(0, size, PART)
    found = [b""] * len(starts)
    pending = iter(enumerate(starts))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for index, start in pending:
                found[index] = sha256(part(start, min(start + PART, size))).digest()
        except BaseException as error:
            failures.append(error)

    others = [threading.Thread(target=work) for _ in range(min(threads, len(starts)) - 1)]
    with suppress(RuntimeError):  # the system has no thread left: do with fewer
        for other in others:
            other.start()
    work()
    for other in others:
        if other.ident is not None:
            other.join()
    if failures:
        raise failures[0]
    return sha256(b"".join(found)).digest()
