"""Where cores meet: whatever one call leaves, the next finds, and nothing else waits."""

from __future__ import annotations

from ncc.backends.cpu.kernels.builder import Call, Pointer
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.plan.barriers import MAX_PENDING, barriers_after
from ncc.backends.cpu.storage.views import Memory, Space

KERNEL = Kernel("k", (), (), ())


def at(where: int, nbytes: int = 64, space: Space = Space.arena) -> Memory:
    return Memory(space, nbytes, where)


def read(memory: Memory, offset: int = 0, nbytes: int | None = None) -> Pointer:
    return Pointer(memory, offset, nbytes or memory.nbytes, False)


def write(
    memory: Memory, offset: int = 0, nbytes: int | None = None, clears: bool = False
) -> Pointer:
    return Pointer(memory, offset, nbytes or memory.nbytes, True, clears)


def met(*calls: tuple[Pointer, ...]) -> list[int]:
    return sorted(barriers_after([Call(KERNEL, pointers) for pointers in calls]))


def test_what_is_read_was_written_by_all() -> None:
    x, y = at(0), at(64)
    assert met((write(x),), (read(x), write(y)), (read(y),)) == [0, 1]


def test_what_is_overwritten_was_read_by_all() -> None:
    x, y, after = at(0), at(64), at(0)
    assert met((read(x), write(y)), (write(after),)) == [0]


def test_readers_do_not_wait_for_each_other() -> None:
    x = at(0)
    assert met((read(x), write(at(64))), (read(x), write(at(128)))) == []


def test_parts_of_one_memory_are_written_at_the_same_time() -> None:
    whole = at(0, 128)
    assert met((write(whole, 0, 100),), (write(whole, 28, 100),), (read(whole),)) == [1]


def test_what_is_cleared_is_cleared_first() -> None:
    whole = at(0)
    assert met((write(whole, clears=True),), (write(whole),)) == [0]


def test_a_memory_in_the_place_of_another_is_another() -> None:
    before, after = at(0), at(0)
    assert met((write(before),), (write(after),)) == [0]
    assert met((write(at(64)),), (read(before), write(after))) == []
    assert met((write(before),), (read(before), write(after)), (read(after),)) == [0, 1]


def test_buffers_of_the_caller_are_apart() -> None:
    first, second = at(0, space=Space.io), at(1, space=Space.io)
    assert met((write(first),), (write(second),)) == []
    assert met((write(first),), (read(first, 32, 16),)) == [0]


def test_weights_are_only_read() -> None:
    weights = at(0, space=Space.weights)
    assert met((read(weights), write(at(0))), (read(weights), write(at(64)))) == []


def test_the_search_is_short() -> None:
    calls = [(write(at(64 * number)),) for number in range(MAX_PENDING + 2)]
    assert met(*calls) == [MAX_PENDING]
