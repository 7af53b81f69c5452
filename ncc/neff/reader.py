"""Open a bundle: everything but the contents of its sections is read and checked at once."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from hashlib import sha256
from os import PathLike
from types import TracebackType

from ncc.neff import header as headers
from ncc.neff.codec import decode_manifest
from ncc.neff.errors import reading, require
from ncc.neff.format import HEADER_SIZE, Header, Manifest, Section, data_start
from ncc.neff.verify import check_digest, check_manifest


class Bundle:
    """An open bundle whose header, manifest and layout are sound; a context manager.

    `file` is the file descriptor, valid until `close`.
    """

    def __init__(self, path: str, file: int, header: Header, manifest: Manifest) -> None:
        self.path = path
        self.file = file
        self.header = header
        self.manifest = manifest
        self.sections = {section.name: section for section in manifest.sections}

    def offset(self, section: Section) -> int:
        """Where `section` starts in the file."""
        return data_start(self.header.manifest_size) + section.offset

    def read(self, name: str) -> bytes:
        """The bytes of section `name`; NccError (integrity) if they are damaged."""
        section = self.sections[name]
        with reading(self.path):
            data = self._part(section, 0, section.size)
            check_digest(section, lambda start, end: data[start:end])
        return data

    def verify(self, threads: int = 1) -> None:
        """Check the digest of every section, with so many threads; NccError (integrity)."""
        with reading(self.path):
            for section in self.manifest.sections:
                check_digest(section, partial(self._part, section), threads)

    def _part(self, section: Section, start: int, end: int) -> bytes:
        return _read(self.file, self.offset(section) + start, end - start)

    def close(self) -> None:
        """Close the file; what was mapped from it stays."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_bundle(path: str | PathLike[str]) -> Bundle:
    """Open the bundle at `path`.

    NccError: usage if the file cannot be read, incompatible if this version cannot read its
    format, integrity if it is damaged or no bundle at all.
    """
    with reading(path):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return _checked(os.fspath(path), file)
        except BaseException:
            os.close(file)
            raise


def _checked(path: str, file: int) -> Bundle:
    status = os.fstat(file)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    require(stat.S_ISREG(status.st_mode), "this is not a regular file")
    header = headers.unpack(os.pread(file, HEADER_SIZE, 0), status.st_size)
    encoded = _read(file, HEADER_SIZE, header.manifest_size)
    require(sha256(encoded).digest() == header.manifest_sha256, "the manifest is damaged")
    manifest = decode_manifest(encoded, header.minor)
    check_manifest(manifest)
    expected = headers.make(manifest, encoded, header.minor)
    require(header == expected, "the header does not belong to the manifest")
    bundle = Bundle(path, file, header, manifest)
    _check_padding(bundle)
    return bundle


def _check_padding(bundle: Bundle) -> None:
    end = HEADER_SIZE + bundle.header.manifest_size
    for section in bundle.manifest.sections:
        start = bundle.offset(section)
        gap = _read(bundle.file, end, start - end)
        require(not any(gap), f"the padding before section '{section.name}' is not zero")
        end = start + section.size


def _read(file: int, offset: int, size: int) -> bytes:
    """The bytes of a file from `offset` on; NccError (integrity) if it has fewer."""
    data = os.pread(file, size, offset)
    while len(data) < size:  # the system gives at most 2 GB at once
        more = os.pread(file, size - len(data), offset + len(data))
        require(bool(more), "the file is cut short")
        data += more
    return data
