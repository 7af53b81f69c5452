"""Fingerprints of sections: quick enough to take whenever a process first reads them.

A section is cut into blocks of 4096 bytes, the last one filled up with zeros. The hash of a block
is NH (RFC 4418, section 5.2) of its 1024 words w of 32 bits, under a fixed key k:

    sum over even i of (w[i] + k[i] mod 2^32) * (w[i+1] + k[i+1] mod 2^32), mod 2^64
    k[i] = (i + 1) * 0x9e3779b1 mod 2^32

The fingerprint is the SHA-256 of the hashes. It finds damage as a digest does; that somebody chose
the bytes to have this fingerprint, only a digest finds.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

BLOCK = 4096
WORDS = BLOCK // 4
FACTOR = 0x9E3779B1

_KEY = np.arange(1, WORDS + 1, dtype=np.uint32) * np.uint32(FACTOR)
_AT_ONCE = 64 * BLOCK
"""Bytes that are hashed at once: they stay in the cache."""


class Fingerprint:
    """The fingerprint of bytes that come in pieces, all but the last of whole blocks."""

    def __init__(self) -> None:
        self._hashes = sha256()

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        for start in range(0, len(piece), _AT_ONCE):
            self._hashes.update(hashes(piece[start : start + _AT_ONCE]))

    def add(self, found: bytes) -> None:
        """Take the hashes of the next blocks."""
        self._hashes.update(found)

    def digest(self) -> bytes:
        """The fingerprint."""
        return self._hashes.digest()


def hashes(data: bytes | bytearray | memoryview) -> bytes:
    """The hash of each block, 8 bytes each."""
    whole = bytes(data) + bytes(-len(data) % BLOCK)
    words = np.frombuffer(whole, "<u4").reshape(-1, WORDS) + _KEY
    even, odd = words[:, 0::2].astype(np.uint64), words[:, 1::2].astype(np.uint64)
    sums = (even * odd).sum(axis=1, dtype=np.uint64)
    return bytes(sums.astype("<u8").data)
