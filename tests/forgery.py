"""Change the bytes of a bundle and make its digests right again, from docs/neff.md alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgpack

from ncc.neff import header as headers
from ncc.neff.codec import encode
from ncc.neff.format import HEADER_SIZE, MINOR, Section, data_start

Change = Callable[[dict[str, Any]], object]


def manifest_end(data: bytes) -> int:
    return HEADER_SIZE + headers.unpack(data[:HEADER_SIZE], len(data)).manifest_size


def sections(data: bytes) -> Iterator[tuple[Section, int]]:
    """The sections of a good bundle, with their file offsets."""
    for row in msgpack.unpackb(data[HEADER_SIZE : manifest_end(data)])["sections"]:
        yield Section(**row), data_start(manifest_end(data) - HEADER_SIZE) + row["offset"]


def flip(data: bytes, index: int, mask: int) -> bytes:
    return data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :]


def sealed(header: bytes) -> bytes:
    """The header with its own digest made right."""
    return header[:992] + hashlib.sha256(header[:992]).digest()


def with_manifest(good: bytes, encoded: bytes, minor: int = MINOR) -> bytes:
    """`good` with other bytes for its manifest, and a header that agrees."""
    start = data_start(manifest_end(good) - HEADER_SIZE)
    digest = hashlib.sha256(encoded).digest()
    uuid = bytearray(digest[:16])
    uuid[6], uuid[8] = uuid[6] & 0x0F | 0x80, uuid[8] & 0x3F | 0x80
    header = headers.unpack(good[:HEADER_SIZE], len(good))._replace(
        minor=minor,
        file_size=data_start(len(encoded)) + len(good) - start,
        manifest_size=len(encoded),
        manifest_sha256=digest,
        uuid=bytes(uuid),
    )
    padding = bytes(data_start(len(encoded)) - HEADER_SIZE - len(encoded))
    return headers.pack(header) + encoded + padding + good[start:]


def raw_manifest(good: bytes) -> dict[str, Any]:
    raw: dict[str, Any] = msgpack.unpackb(good[HEADER_SIZE : manifest_end(good)])
    return raw


def forged(good: bytes, change: Change, minor: int = MINOR) -> bytes:
    """`good` with a changed manifest."""
    raw = raw_manifest(good)
    change(raw)
    return with_manifest(good, encode(raw), minor)
