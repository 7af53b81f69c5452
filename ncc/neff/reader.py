"""Open a bundle: everything but the contents of its sections is read and checked at once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from os import PathLike
from types import TracebackType

from ncc.neff import header as headers
from ncc.neff.codec import decode_manifest
from ncc.neff.errors import reading, require
from ncc.neff.format import HEADER_SIZE, MINOR, Header, Manifest, Section, data_start
from ncc.neff.verify import check_digest, check_manifest

CHUNK = 1 << 20


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

    def chunks(self, section: Section) -> Iterator[bytes]:
        """The bytes of `section`, a part at a time."""
        return _chunks(self.file, self.offset(section), section.size)

    def read(self, name: str) -> bytes:
        """The bytes of section `name`; NccError (integrity) if they are damaged."""
        section = self.sections[name]
        data = b"".join(self.chunks(section))
        with reading(self.path):
            check_digest(section, [data])
        return data

    def verify(self) -> None:
        """Check the digest of every section; NccError (integrity)."""
        with reading(self.path):
            for section in self.manifest.sections:
                check_digest(section, self.chunks(section))

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
    encoded = b"".join(_chunks(file, HEADER_SIZE, header.manifest_size))
    require(sha256(encoded).digest() == header.manifest_sha256, "the manifest is damaged")
    manifest = decode_manifest(encoded, newer=header.minor > MINOR)
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
        gap = b"".join(_chunks(bundle.file, end, start - end))
        require(not any(gap), f"the padding before section '{section.name}' is not zero")
        end = start + section.size


def _chunks(file: int, offset: int, size: int) -> Iterator[bytes]:
    end = offset + size
    while offset < end:
        chunk = os.pread(file, min(CHUNK, end - offset), offset)
        require(bool(chunk), "the file is cut short")
        yield chunk
        offset += len(chunk)
