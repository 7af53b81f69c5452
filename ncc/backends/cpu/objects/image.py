"""A position-independent image from relocatable objects: code and constants in one blob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ncc.backends.cpu.objects.elf import Object, Symbol
from ncc.backends.cpu.objects.relocate import RELOCATIONS

CODE_ALIGN = 64
"""Sections start on a cache line of their own."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes offset .. offset + size of an image."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """Bytes that run wherever they are mapped, and the functions in them by name."""

    data: bytes
    functions: dict[str, Extent]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An object and where each of its sections went."""

    object: Object
    base: dict[int, int]

    def address(self, symbol: Symbol) -> int:
        assert symbol.section is not None
        return self.base[symbol.section] + symbol.offset


def place(objects: Sequence[tuple[str, Object]]) -> Image:
    """Place relocatable objects one after another and resolve what they refer to.

    Objects come with a prefix for the names of their functions, which are unique in the image.
    References between objects are by the prefixed name. An undefined symbol is an assert.
    """
    data = bytearray()
    placed = [(prefix, _append(data, object)) for prefix, object in objects]
    functions = {
        prefix + symbol.name: Extent(where.address(symbol), symbol.size)
        for prefix, where in placed
        for symbol in where.object.symbols
        if symbol.is_function
    }
    for _, where in placed:
        _relocate(data, where, functions)
    return Image(bytes(data), functions)


def _append(data: bytearray, object: Object) -> _Placed:
    base = {}
    for index, section in object.sections.items():
        align = max(section.align, CODE_ALIGN)
        data.extend(bytes(-len(data) % align))
        base[index] = len(data)
        data.extend(section.data)
    return _Placed(object, base)


def _relocate(data: bytearray, where: _Placed, functions: dict[str, Extent]) -> None:
    patch = RELOCATIONS[where.object.machine]
    for index, section in where.object.sections.items():
        for relocation in section.relocations:
            symbol = where.object.symbols[relocation.symbol]
            if symbol.section is None:
                assert symbol.name in functions, f"undefined symbol {symbol.name}"
                target = functions[symbol.name].offset
            else:
                target = where.address(symbol)
            place = where.base[index] + relocation.offset
            patch(data, place, relocation.kind, target + relocation.addend)
