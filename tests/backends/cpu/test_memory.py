"""The arena: memories that are live at once never overlap, and little is wasted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ncc.backends.cpu.kernels.builder import Call, Pointer
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.plan.memory import ALIGNMENT, plan
from ncc.backends.cpu.storage.views import Memory, Space

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


(IN_ORDER,) = parse("""
kernel k(x: in f32[64], y: out f32[64]) {
  vector v < 64 {
    y[v] = x[v] + 1.0:f32
  }
}""")
(REVERSED,) = parse("""
kernel k(x: in f32[64], y: out f32[64]) {
  vector v < 64 {
    y[v] = x[63 - v]
  }
}""")


def chain(*kernels: Kernel) -> list[Memory]:
    """The memories of values that `kernels` compute from each other, once planned."""
    memories = [Memory(Space.arena, 256) for _ in range(len(kernels) + 1)]
    steps = zip(kernels, memories, memories[1:], strict=False)
    plan([Call(kernel, (read(source), write(made))) for kernel, source, made in steps])
    return memories


def read(memory: Memory, offset: int = 0) -> Pointer:
    return Pointer(memory, offset, memory.nbytes, False)


def write(memory: Memory, offset: int = 0) -> Pointer:
    return Pointer(memory, offset, memory.nbytes, True)


def test_an_output_takes_over_what_is_read_for_the_last_time() -> None:
    assert [memory.where for memory in chain(IN_ORDER, IN_ORDER)] == [0, 0, 0]
    assert len({memory.where for memory in chain(REVERSED)}) == 2


def test_what_is_read_again_or_elsewhere_is_kept() -> None:
    first, second, third = (Memory(Space.arena, 256) for _ in range(3))
    again = Call(IN_ORDER, (read(first), write(third)))
    plan([Call(IN_ORDER, (read(first), write(second))), again])
    assert first.where != second.where
    moved, other = Memory(Space.arena, 512), Memory(Space.arena, 512)
    plan([Call(IN_ORDER, (read(moved, 64), write(other)))])
    assert moved.where != other.where
