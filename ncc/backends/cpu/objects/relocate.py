"""References inside an image, patched into its code: one function per instruction set.

Each takes the image, the place to patch, the kind of relocation, and what is referred to; places
are offsets in the image, which starts on a page of 4096 bytes wherever it is mapped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_PC32, _PLT32 = 2, 4
"""R_X86_64_PC32 and R_X86_64_PLT32, of the System V ABI for AMD64, section 4.4.1."""


def _x86(data: bytearray, place: int, kind: int, target: int) -> None:
    """The distance in 32 bits: there is no table of procedures to go through."""
    assert kind in (_PC32, _PLT32), f"relocation {kind} is not relative"
    struct.pack_into("<i", data, place, target - place)


_PREL64, _PREL32 = 260, 261
_PAGE, _ADD, _LOAD8, _JUMP, _CALL = 275, 277, 278, 282, 283
_SCALED = {_ADD: 0, _LOAD8: 0, 284: 1, 285: 2, 286: 3, 299: 4}
"""Instructions that add the offset in a page, which loads scale by the log of their size."""


def _arm(data: bytearray, place: int, kind: int, target: int) -> None:
    """ELF for the Arm 64-bit Architecture, section 5.7: small code model, no global table."""
    if kind in (_PREL32, _PREL64):
        struct.pack_into("<i" if kind == _PREL32 else "<q", data, place, target - place)
    elif kind in (_JUMP, _CALL):
        _insert(data, place, _within(target - place >> 2, 26), 0)
    elif kind == _PAGE:
        pages = _within((target >> 12) - (place >> 12), 21)
        _insert(data, place, pages & 3, 29)
        _insert(data, place, pages >> 2, 5)
    else:
        assert kind in _SCALED, f"relocation {kind} is unknown"
        scale = _SCALED[kind]
        assert target % (1 << scale) == 0, "a load is not aligned"
        _insert(data, place, (target & 0xFFF) >> scale, 10)


def _within(distance: int, bits: int) -> int:
    """A signed number of so many bits, as they stand in an instruction."""
    assert -(1 << bits - 1) <= distance < 1 << bits - 1, "a reference is too far"
    return distance & (1 << bits) - 1


def _insert(data: bytearray, place: int, value: int, position: int) -> None:
    """Put `value` at bit `position` of an instruction that has zeros there."""
    (word,) = struct.unpack_from("<I", data, place)
    struct.pack_into("<I", data, place, word | value << position)


RELOCATIONS: dict[int, Callable[[bytearray, int, int, int], None]] = {62: _x86, 183: _arm}
"""By ELF machine number: EM_X86_64 and EM_AARCH64."""
