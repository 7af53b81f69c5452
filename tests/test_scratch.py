"""Memory of a process: where it starts, that it is its own, and that there is an end to it."""

from __future__ import annotations

import ctypes

import pytest

from ncc.neff.format import PAGE
from ncc.runtime.scratch import LARGE_PAGE, Scratch


@pytest.mark.parametrize("size", [0, 1, PAGE + 1, LARGE_PAGE - 1])
def test_what_is_small_starts_on_a_page(size: int) -> None:
    assert Scratch(size).address % PAGE == 0


@pytest.mark.parametrize("size", [LARGE_PAGE, 3 * LARGE_PAGE // 2, 5 * LARGE_PAGE + 1])
def test_what_is_large_starts_on_a_large_page_and_is_all_there(size: int) -> None:
    scratch = Scratch(size)
    assert scratch.address % LARGE_PAGE == 0
    ctypes.memset(scratch.address, 7, size)
    assert scratch.part(0, size).tobytes() == bytes([7]) * size


def test_a_part_is_where_it_says_and_keeps_the_memory() -> None:
    part = Scratch(3 * PAGE).part(PAGE, PAGE + 8)
    part[:] = b"abcdefgh"
    assert ctypes.string_at(ctypes.addressof(ctypes.c_char.from_buffer(part)), 8) == b"abcdefgh"


def test_too_much_is_refused() -> None:
    with pytest.raises(MemoryError):
        Scratch(1 << 60)
