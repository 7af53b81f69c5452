"""Write a bundle: sections are streamed to where they belong, manifest and header come last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from ncc.neff import header as headers
from ncc.neff.atomic import replace_file
from ncc.neff.codec import encode
from ncc.neff.digest import Digest
from ncc.neff.fingerprint import Fingerprint
from ncc.neff.format import Manifest, Section, data_start, place
from ncc.neff.reader import open_bundle

UNKNOWN = bytes(32)
"""Stands for a digest until the section has been written: the manifest's size does not change."""


PIECE = 1 << 21
"""Bytes that are written at once, where the file reaches a multiple of that: the system then keeps
them in large pages, and maps those as they are.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A section to write: `chunks()` yields its `nbytes` bytes, in parts of any size."""

    name: str
    kind: str
    nbytes: int
    chunks: Callable[[], Iterator[bytes | bytearray | memoryview | Any]]


def write(
    path: str | PathLike[str],
    manifest: Manifest,
    sources: Sequence[Source],
    trial: Callable[[Path], None] | None = None,
) -> None:
    """Write `manifest` and the sections to `path`, where a bundle stands complete or not at all.

    The manifest's own `sections` are ignored. Before the bundle gets its name it is read back and
    verified in full, then `trial` is called with its temporary name and may refuse it by raising.
    The same arguments give the same bytes. NccError as of `atomic.replace_file`.
    """
    table = place(
        Section(s.name, s.kind, 0, s.nbytes, 0, UNKNOWN, UNKNOWN if s.kind == "weights" else b"")
        for s in sources
    )
    manifest = manifest._replace(sections=table)
    replace_file(
        Path(path), partial(_fill, manifest, sources), partial(_check, trial or (lambda _: None))
    )


def _fill(manifest: Manifest, sources: Sequence[Source], file: BinaryIO) -> None:
    size = len(encode(manifest))
    start = data_start(size)
    pairs = zip(manifest.sections, sources, strict=True)
    written = tuple(_stream(file, start, section, source) for section, source in pairs)
    manifest = manifest._replace(sections=written)
    encoded = encode(manifest)
    assert len(encoded) == size, "the manifest's size depends on a digest"
    file.seek(0)
    file.write(headers.pack(headers.make(manifest, encoded)))
    file.write(encoded)
    file.truncate(headers.make(manifest, encoded).file_size)


def _stream(file: BinaryIO, start: int, section: Section, source: Source) -> Section:
    """Write a section at its place; what is skipped reads as zeros."""
    offset = file.seek(start + section.offset)
    digest, fingerprint, size = Digest(), Fingerprint(), 0
    for piece in _pieces(source.chunks(), offset):
        digest.update(piece)
        if section.fingerprint:
            fingerprint.update(piece)
        size += file.write(piece)
    assert size == source.nbytes, f"section '{source.name}' gave {size} of {source.nbytes} bytes"
    section = section._replace(digest=digest.digest())
    return section._replace(fingerprint=fingerprint.digest()) if section.fingerprint else section


def _pieces(chunks: Iterable[bytes | bytearray | memoryview], offset: int) -> Iterator[bytearray]:
    """The bytes of `chunks` from `offset` on, in pieces that end at multiples of `PIECE`."""
    piece, room = bytearray(), PIECE - offset % PIECE
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            head, rest = rest[:room], rest[room:]
            piece += head
            room -= len(head)
            if not room:
                yield piece
                piece, room = bytearray(), PIECE
    yield piece


def _check(trial: Callable[[Path], None], written: Path) -> None:
    with open_bundle(written) as bundle:
        bundle.verify()
    trial(written)
