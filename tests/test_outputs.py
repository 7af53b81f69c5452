"""Memory of outputs: used again once nobody holds what lies in it, and never before."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from ncc.neff.format import ValueSpec
from ncc.runtime.outputs import KEPT, LARGE, LINE, Output
from ncc.runtime.tensors import Array

SHAPE = (2, LARGE // 4)


def output(shape: tuple[int, ...] = SHAPE) -> Output:
    return Output(ValueSpec("f32", shape))


def address(array: Array) -> int:
    return int(array.ctypes.data)


def test_memory_that_was_let_go_is_used_again() -> None:
    made = output()
    first = made.array()
    at = address(first)
    del first
    assert address(made.array()) == at


@pytest.mark.parametrize(
    "hold", [lambda x: x, lambda x: x[1:, ::2], lambda x: x.T.reshape(-1, 2)[1:], memoryview]
)
def test_what_somebody_holds_is_left_alone(hold: Callable[[Array], object]) -> None:
    made = output()
    array = made.array()
    array[:] = 7
    held = hold(array)
    del array
    for _ in range(3):
        made.array()[:] = 0
    assert np.all(np.asarray(held) == 7)


def test_what_was_done_to_an_array_ends_with_it() -> None:
    made = output()
    array = made.array()
    array.shape = (array.size,)
    array.flags.writeable = False
    del array
    again = made.array()
    assert again.shape == SHAPE
    assert again.flags.writeable


def test_arrays_that_the_caller_keeps_are_not_kept_for_it() -> None:
    made = output()
    arrays = [made.array() for _ in range(KEPT + 3)]
    memory = [weakref.ref(array.base) for array in arrays]
    arrays.clear()
    gc.collect()
    assert sum(one() is not None for one in memory) == KEPT


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (LARGE,)])
def test_arrays_have_the_shape_of_the_output(shape: tuple[int, ...]) -> None:
    array = output(shape).array()
    assert array.shape == shape
    assert array.dtype == np.float32
    assert array.flags.carray


def test_large_arrays_start_on_a_line() -> None:
    made = output()
    assert all(address(array) % LINE == 0 for array in [made.array() for _ in range(5)])


def test_threads_never_get_the_same_memory() -> None:
    made = output()
    shared: list[int] = []

    def work(mark: int) -> None:
        for _ in range(300):
            array = made.array()
            array[:] = mark
            copied = made.array()
            copied[:] = -1
            shared.extend(np.flatnonzero(array != mark))

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not shared
