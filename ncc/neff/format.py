"""The layout of a bundle as data: what writer, reader, verifier and docs/neff.md share.

    header (1024 bytes) | manifest (canonical msgpack) | zeros | section | zeros | section ...

The data area begins at the first multiple of `PAGE` at or after the end of the manifest; the offset
of a section counts from there, so that a manifest does not depend on its own size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntFlag
from typing import NamedTuple

MAGIC = b"\x89NCC\r\n\x1a\n"
MAJOR, MINOR = 2, 1
PAGE = 4096
PART = 1 << 20
"""Bytes of a section that have a digest of their own."""


class HeaderField(NamedTuple):
    """A field of the header: its name, byte offset, and `struct` code (little-endian)."""

    name: str
    offset: int
    code: str

    @property
    def size(self) -> int:
        return struct.calcsize("<" + self.code)


HEADER_FIELDS = (
    HeaderField("magic", 0, "8s"),
    HeaderField("major", 8, "I"),
    HeaderField("minor", 12, "I"),
    HeaderField("header_size", 16, "I"),
    HeaderField("cores", 20, "I"),
    HeaderField("file_size", 24, "Q"),
    HeaderField("manifest_size", 32, "Q"),
    HeaderField("features", 40, "Q"),
    HeaderField("manifest_sha256", 48, "32s"),
    HeaderField("uuid", 80, "16s"),
    HeaderField("name", 96, "256s"),
    HeaderField("zeros", 352, "640s"),
    HeaderField("header_sha256", 992, "32s"),
)
HEADER = struct.Struct("<" + "".join(field.code for field in HEADER_FIELDS))
HEADER_SIZE = HEADER.size
HEADER_HASHED = HEADER_FIELDS[-1].offset
"""`header_sha256` covers the bytes before this offset."""
NAME_SIZE = 256


class Feature(IntFlag):
    """What a reader must be able to do; one that does not know a bit refuses the bundle."""

    MACHINE_CODE = 1 << 0
    HOST_SEGMENTS = 1 << 1


ALIGNMENTS = {"code": PAGE, "weights": PAGE, "graph": 8, "debug": 8}
"""The kinds of section and the alignment of each; what is mapped starts on a page."""

ITEM_SIZES = {
    "f64": 8,
    "f32": 4,
    "tf32": 4,
    "f16": 2,
    "bf16": 2,
    "f8e4m3": 1,
    "f8e5m2": 1,
    "i64": 8,
    "i32": 4,
    "i16": 2,
    "i8": 1,
    "i4": 1,
    "u64": 8,
    "u32": 4,
    "u16": 2,
    "u8": 1,
    "u4": 1,
    "bool": 1,
}
"""The element types and the bytes that one element takes in memory."""

MAX_FILE = 1 << 44
MAX_MANIFEST = 1 << 26
MAX_ITEMS = 1 << 20
MAX_DEPTH = 16
MAX_SECTIONS = 1 << 16
MAX_RANK = 32
MAX_TENSOR = 1 << 42
MAX_ARENA = 1 << 42
MAX_CORES = 1 << 10


class TensorSpec(NamedTuple):
    """An input or output as the user sees it; a size is a number, a symbol's text, or `?`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


class ValueSpec(NamedTuple):
    """A tensor that segments exchange; shape None means that its size is known only at run time.

    A weight that a segment takes as an input has its `offset` in the variant's weights section.
    """

    dtype: str
    shape: tuple[int, ...] | None
    offset: int | None = None


class Segment(NamedTuple):
    """A step of a program: kind `device` calls code, kind `host` interprets a graph.

    `entry` is an offset in the variant's code (device), `graph` the name of a section (host);
    `inputs` and `outputs` index the program's values. `cores` is how many have enough to do.
    `timed` is an entry that writes down times; `marks` says what of: 0 is a barrier, n is the
    variant's kernel n - 1.
    """

    kind: str
    entry: int
    graph: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cores: int = 1
    timed: int = 0
    marks: tuple[int, ...] = ()


class Program(NamedTuple):
    """The model for one binding of its symbols: values, and segments that run in order."""

    dims: dict[str, int]
    values: tuple[ValueSpec, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    segments: tuple[Segment, ...]
    arena_bytes: int


class Kernel(NamedTuple):
    """A function in a code image: where it is, what a run costs, and the source nodes it does.

    `limit` names the yardstick of its arithmetic.
    """

    name: str
    offset: int
    nbytes: int
    calls: int
    flops: int
    bytes: int
    sources: tuple[str, ...]
    limit: str = ""


class Yardstick(NamedTuple):
    """A function in a code image that does `work` as fast as the machine can, and nothing else."""

    name: str
    entry: int
    work: int


class Variant(NamedTuple):
    """The programs compiled for one target; `features` are the CPU flags that it needs.

    `serve` and `run` are offsets in the code: what a worker thread runs, and what calls entries;
    so is `fingerprint`, what hashes the weights, or 0.
    """

    target: str
    features: tuple[str, ...]
    code: str
    weights: str
    serve: int
    run: int
    programs: tuple[Program, ...]
    kernels: tuple[Kernel, ...]
    yardsticks: tuple[Yardstick, ...] = ()
    fingerprint: int = 0


class Section(NamedTuple):
    """A row of the section table; `offset` counts from the start of the data area.

    `digest` is that of `ncc.neff.digest`, `fingerprint` that of `ncc.neff.fingerprint` or empty.
    """

    name: str
    kind: str
    offset: int
    size: int
    alignment: int
    digest: bytes
    fingerprint: bytes = b""


class Manifest(NamedTuple):
    """What a bundle holds. Variants are listed best first; `cores` is the least that it needs."""

    producer: str
    source: str
    options: dict[str, object]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    variants: tuple[Variant, ...]
    report: dict[str, object]
    cores: int = 1
    sections: tuple[Section, ...] = ()


class Header(NamedTuple):
    """The fields of the header that vary."""

    minor: int
    cores: int
    file_size: int
    manifest_size: int
    features: int
    manifest_sha256: bytes
    uuid: bytes
    name: str


def round_up(offset: int, alignment: int) -> int:
    """The first multiple of `alignment` at or after `offset`."""
    return -(-offset // alignment) * alignment


def data_start(manifest_size: int) -> int:
    """The file offset of the data area."""
    return round_up(HEADER_SIZE + manifest_size, PAGE)


def place(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The sections in the same order, each at the first aligned offset after the one before."""
    placed, end = [], 0
    for section in sections:
        alignment = ALIGNMENTS[section.kind]
        offset = round_up(end, alignment)
        placed.append(section._replace(offset=offset, alignment=alignment))
        end = offset + section.size
    return tuple(placed)


def data_size(sections: tuple[Section, ...]) -> int:
    """Bytes of the data area; the file ends where its last section does."""
    return sections[-1].offset + sections[-1].size if sections else 0
