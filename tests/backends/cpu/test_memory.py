"""The arena: memories that are live at once never overlap, and little is wasted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ncc.backends.cpu.builder import Call, Pointer
from ncc.backends.cpu.loops import Kernel
from ncc.backends.cpu.memory import ALIGNMENT, plan
from ncc.backends.cpu.views import Memory, Space

KERNEL = Kernel("k", (), (), ())
Life = tuple[int, int, int]
"""First call, last call, bytes."""

lives = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(1, 5000)).map(
        lambda life: (life[0], life[0] + life[1], life[2])
    ),
    max_size=40,
)


def planned(found: list[Life]) -> tuple[list[Memory], int, int]:
    """The memories of `found` with their places, the bytes of the arena and the bound."""
    memories = [Memory(Space.arena, nbytes) for _, _, nbytes in found]
    calls = []
    for time in range(1 + max((last for _, last, _ in found), default=0)):
        used = [m for m, life in zip(memories, found, strict=True) if time in life[:2]]
        pointers = tuple(Pointer(memory, 0, memory.nbytes, True) for memory in used)
        calls.append(Call(KERNEL, pointers))
    made = plan(calls)
    return memories, made.nbytes, made.bound


@given(lives)
def test_what_is_live_at_once_lies_apart(found: list[Life]) -> None:
    memories, nbytes, bound = planned(found)
    placed = list(zip(memories, found, strict=True))
    for index, (memory, life) in enumerate(placed):
        assert memory.where % ALIGNMENT == 0
        assert 0 <= memory.where <= memory.where + memory.nbytes <= nbytes
        for other, theirs in placed[:index]:
            together = life[0] <= theirs[1] and theirs[0] <= life[1]
            before = memory.where + memory.nbytes <= other.where
            after = other.where + other.nbytes <= memory.where
            assert not together or before or after
    assert nbytes >= bound


def test_memory_is_used_again() -> None:
    memories, nbytes, bound = planned([(0, 1, 640), (1, 2, 64), (2, 3, 640), (3, 4, 64)])
    assert nbytes == bound == 704
    assert memories[2].where == memories[0].where


def test_weights_and_buffers_of_the_caller_take_no_arena() -> None:
    outside = [Memory(space, 4096, 0) for space in (Space.weights, Space.io)]
    made = plan([Call(KERNEL, tuple(Pointer(memory, 0, 4096, False) for memory in outside))])
    assert (made.nbytes, made.bound) == (0, 0)
