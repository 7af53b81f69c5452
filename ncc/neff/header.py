"""The 1024 bytes in front of a bundle: made from the manifest, checked before all else."""

from __future__ import annotations

from hashlib import sha256

from ncc.diagnostics import NccError
from ncc.neff.errors import damaged, incompatible, require
from ncc.neff.format import (
    HEADER,
    HEADER_FIELDS,
    HEADER_HASHED,
    HEADER_SIZE,
    MAGIC,
    MAJOR,
    MAX_CORES,
    MAX_FILE,
    MAX_MANIFEST,
    MINOR,
    NAME_SIZE,
    Feature,
    Header,
    Manifest,
    data_size,
    data_start,
)

CONSTANT = {
    "magic": MAGIC,
    "major": MAJOR,
    "header_size": HEADER_SIZE,
    "zeros": b"",
    "header_sha256": b"",
}
ONNX = b"\x08"
FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"\x7fELF": "an ELF file",
    b"\x1f\x8b": "a gzip file",
}


def make(manifest: Manifest, encoded: bytes, minor: int = MINOR) -> Header:
    """The header of a bundle whose manifest has the bytes `encoded`."""
    digest = sha256(encoded).digest()
    return Header(
        minor=minor,
        cores=manifest.cores,
        file_size=data_start(len(encoded)) + data_size(manifest.sections),
        manifest_size=len(encoded),
        features=features(manifest),
        manifest_sha256=digest,
        uuid=_uuid(digest),
        name=_name(manifest.source),
    )


def features(manifest: Manifest) -> Feature:
    """The feature bits that follow from the kinds of section in the manifest."""
    kinds = {section.kind for section in manifest.sections}
    bits = {"code": Feature.MACHINE_CODE, "graph": Feature.HOST_SEGMENTS}
    return Feature(sum(bit for kind, bit in bits.items() if kind in kinds))


def pack(header: Header) -> bytes:
    """The 1024 bytes of a header."""
    values = CONSTANT | header._asdict() | {"name": header.name.encode()}
    packed = HEADER.pack(*(values[field.name] for field in HEADER_FIELDS))[:HEADER_HASHED]
    return packed + sha256(packed).digest()


def unpack(data: bytes, file_size: int) -> Header:
    """The header in the first bytes of a file of `file_size` bytes; NccError unless it is sound.

    What decides whether the rest can be read at all (magic, versions, feature bits) is checked
    before what only damage explains.
    """
    if not data.startswith(MAGIC):
        raise _foreign(data)
    require(len(data) == HEADER_SIZE, f"the file is cut short: it has {file_size} bytes")
    values = dict(zip((field.name for field in HEADER_FIELDS), HEADER.unpack(data), strict=True))
    _check_known(values["major"], values["features"])
    require(sha256(data[:HEADER_HASHED]).digest() == data[HEADER_HASHED:], "the header is damaged")
    header = _header(values)
    require(pack(header) == data, "the header is not in canonical form")
    _check_sizes(header, file_size)
    return header


def _header(values: dict[str, object]) -> Header:
    name = values["name"]
    assert isinstance(name, bytes)
    try:
        values["name"] = name.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise damaged("the name in the header is not UTF-8") from None
    return Header(**{name: values[name] for name in Header._fields})  # type: ignore[arg-type]  # types follow from the struct codes


def _check_known(major: int, features: int) -> None:
    hint = "compile the model again, or use the ncc that compiled it"
    if major != MAJOR:
        raise incompatible(f"the bundle has format {major}, this ncc reads format {MAJOR}", hint)
    known = sum(Feature)
    if features & ~known:
        raise incompatible(
            f"the bundle needs features {features:#x}, this ncc knows {known:#x}", hint
        )


def _check_sizes(header: Header, file_size: int) -> None:
    require(
        header.file_size == file_size,
        f"the file has {file_size} bytes, its header says {header.file_size}",
    )
    require(file_size <= MAX_FILE, f"the file is larger than {MAX_FILE} bytes")
    require(header.manifest_size <= MAX_MANIFEST, f"the manifest exceeds {MAX_MANIFEST} bytes")
    require(data_start(header.manifest_size) <= file_size, "the manifest exceeds the file")
    require(1 <= header.cores <= MAX_CORES, f"the bundle asks for {header.cores} cores")


def _uuid(digest: bytes) -> bytes:
    """The first 16 bytes of a digest as a version 8 (custom) UUID, RFC 9562 section 5.8."""
    uuid = bytearray(digest[:16])
    uuid[6] = uuid[6] & 0x0F | 0x80
    uuid[8] = uuid[8] & 0x3F | 0x80
    return bytes(uuid)


def _name(source: str) -> str:
    """As many whole characters of `source`, NUL excepted, as fit the header."""
    return source.replace("\0", "").encode()[:NAME_SIZE].decode(errors="ignore")


def _foreign(data: bytes) -> NccError:
    """The error for a file that is no bundle, with what it may be."""
    if not data:
        return damaged("this is not a bundle: the file is empty")
    if data.startswith(ONNX):
        hint = "compile it first: ncc compile model.onnx -o model.neff"
        return damaged("this is not a bundle, it looks like an ONNX model", hint)
    looks = (f", it looks like {what}" for start, what in FOREIGN.items() if data.startswith(start))
    return damaged(f"this is not a bundle{next(looks, '')}")
