"""Relocatable ELF64 objects as LLVM writes them: sections, symbols and relocations.

Layout: System V ABI, edition 4.1, chapter 4 (object files), in its 64-bit little-endian form.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")

_PROGBITS, _SYMTAB, _RELA_TYPE, _NOBITS = 1, 2, 4, 8
_WRITE, _ALLOC = 1, 2
_UNDEFINED, _FUNCTION = 0, 2
_RELOCATABLE = 1


@dataclass(frozen=True, slots=True)
class Relocation:
    """Patch `offset` of the section with a reference to symbol number `symbol` plus `addend`."""

    offset: int
    kind: int
    symbol: int
    addend: int


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes to load: code or constants."""

    name: str
    data: bytes
    align: int
    relocations: tuple[Relocation, ...]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A place in a section; `section` is None when another object defines it."""

    name: str
    section: int | None
    offset: int
    size: int
    is_function: bool


@dataclass(frozen=True, slots=True)
class Object:
    """What must be loaded of one object file, sections by their index in the file."""

    machine: int
    sections: dict[int, Section]
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """One section header with the bytes it describes."""

    name: str
    kind: int
    flags: int
    link: int
    info: int
    align: int
    size: int
    data: bytes


def read_object(data: bytes) -> Object:
    """Parse an object that this backend made; anything unforeseen is our own mistake."""
    ident, kind, machine, *_, shoff, _, _, _, _, _, count, names = _HEADER.unpack_from(data)
    assert ident[:6] == b"\x7fELF\x02\x01", "64-bit, little-endian"
    assert kind == _RELOCATABLE
    headers = _section_headers(data, shoff, count, names)
    sections = {
        index: Section(header.name, header.data, header.align, _relocations(headers, index))
        for index, header in enumerate(headers)
        if header.flags & _ALLOC and header.kind == _PROGBITS and header.data
    }
    for header in headers:
        assert not (header.size and header.flags & _WRITE), f"{header.name} is writable"
    return Object(machine, sections, _symbols(headers))


def _section_headers(data: bytes, start: int, count: int, names: int) -> list[_Header]:
    raw = [_SECTION.unpack_from(data, start + i * _SECTION.size) for i in range(count)]

    def body(index: int) -> bytes:
        _, kind, _, _, offset, size, *_ = raw[index]
        return b"" if kind == _NOBITS else data[offset : offset + size]

    texts = body(names)
    return [
        _Header(_text(texts, name), kind, flags, link, info, align, size, body(index))
        for index, (name, kind, flags, _, _, size, link, info, align, _) in enumerate(raw)
    ]


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def _relocations(headers: list[_Header], section: int) -> tuple[Relocation, ...]:
    return tuple(
        Relocation(offset, info & 0xFFFFFFFF, info >> 32, addend)
        for header in headers
        if header.kind == _RELA_TYPE and header.info == section
        for offset, info, addend in _RELA.iter_unpack(header.data)
    )


def _symbols(headers: list[_Header]) -> tuple[Symbol, ...]:
    table = next(header for header in headers if header.kind == _SYMTAB)
    texts = headers[table.link].data
    return tuple(
        Symbol(
            _text(texts, name),
            None if section == _UNDEFINED else section,
            offset,
            size,
            info & 0xF == _FUNCTION,
        )
        for name, info, _, section, offset, size in _SYMBOL.iter_unpack(table.data)
    )
