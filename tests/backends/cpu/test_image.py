"""Objects become one image that runs anywhere; entries call its kernels on every core."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ncc.backends.cpu import driver
from ncc.backends.cpu.codegen import Executable, compile_kernels, link
from ncc.backends.cpu.driver import Arg, Call, Space, marks
from ncc.backends.cpu.emit.yardstick import yardsticks
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.objects import workers
from ncc.backends.cpu.objects.elf import Object, Relocation, Section, Symbol, read_object
from ncc.backends.cpu.objects.image import Extent, place
from ncc.backends.cpu.objects.llvm import assembly, compile_text
from ncc.backends.cpu.target import TARGETS, Target
from tests.backends.cpu.random_kernels import Array
from tests.machine_code import each_width, map_code

V3 = TARGETS["x86-64-v3"]

STEP, SCALE = parse(
    """
kernel step(x: in f32[96], y: out f32[96]) {
  parallel i < 96 {
    y[i] = x[95 - i] + 1.0:f32
  }
}

kernel scale(x: in f32[96], w: in f32[1], y: out f32[96]) {
  vector v < 96 {
    y[v] = x[v] * w[0] * 0.75:f32
  }
}
"""
)


def arena(offset: int) -> Arg:
    return Arg(Space.arena, offset)


STEPS = 100
CHAIN = (
    Call(0, (Arg(Space.io, 0), arena(0)), barrier_after=True),
    *(
        Call(0, (arena(512 * (i % 2)), arena(512 * ((i + 1) % 2))), barrier_after=True)
        for i in range(STEPS)
    ),
    Call(1, (arena(512 * (STEPS % 2)), Arg(Space.weights, 8), Arg(Space.io, 1, 16))),
)
"""Each core needs what the others computed in the step before; the result is y[4:]."""


ENTRY = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64)


def run_entry(code: Executable, entry: int, x: Array, y: Array, cores: int, times: int = 0) -> None:
    """Call an entry on `cores` threads at once; `times` is what is in front of the io pointers."""
    address = map_code(code.data) + code.entries[entry]
    function = ENTRY(address)
    memory, sync = np.full(1024, 0xA5, np.uint8), np.zeros(256, np.uint8)
    weights = np.array([9, 9, 2, 9], np.float32)
    io = (ctypes.c_void_p * 3)(times, x.ctypes.data, y.ctypes.data)
    first = ctypes.addressof(io) + 8
    shared = (memory.ctypes.data, weights.ctypes.data, first, sync.ctypes.data)
    threads = [
        threading.Thread(target=function, args=(*shared, core, cores)) for core in range(cores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("cores", [1, 2, 5])
@each_width
def test_entries_call_kernels_in_order_on_every_core(target: Target, cores: int) -> None:
    code = link(compile_kernels([STEP, SCALE], target), [(), CHAIN], target)
    x = np.arange(96, dtype=np.float32)
    y = np.zeros(100, np.float32)
    run_entry(code, 1, x, y, cores)
    turned = x[::-1] if STEPS % 2 == 0 else x
    assert np.array_equal(y[4:], (turned + STEPS + 1) * 1.5)
    assert not y[:4].any()


def test_an_entry_without_calls_returns() -> None:
    code = link(compile_kernels([STEP], V3), [()], V3)
    x, y = np.ones(96, np.float32), np.zeros(100, np.float32)
    run_entry(code, 0, x, y, 2)
    assert not y.any()


def test_equal_kernels_are_compiled_once() -> None:
    compiled = compile_kernels([STEP, SCALE, replace(STEP, name="other")], V3)
    assert compiled.index == (0, 1, 0)
    code = link(compiled, [CHAIN], V3)
    assert code.kernels[0] == code.kernels[2] != code.kernels[1]
    for extent in code.kernels:
        assert 0 <= extent.offset < extent.offset + extent.size <= len(code.data)


def test_the_same_kernels_give_the_same_bytes() -> None:
    images = [link(compile_kernels([STEP, SCALE], V3), [CHAIN], V3) for _ in range(2)]
    assert images[0] == images[1]


def test_other_processes_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = many_kernels(5)
    alone = compile_kernels(kernels, V3, jobs=1)
    monkeypatch.setattr(workers, "MIN_SHARE", 1)
    assert compile_kernels(kernels, V3, jobs=3) == alone


@pytest.mark.parametrize(("number", "error"), [(9, MemoryError), (6, RuntimeError)])
def test_a_compiling_process_that_something_ends_is_an_error(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    monkeypatch.setattr(workers, "MIN_SHARE", 1)
    monkeypatch.setattr(workers, "_START", f"import os; os.kill(os.getpid(), {number})")
    with pytest.raises(error):
        workers.compile_texts(["", ""], V3, jobs=2)


def many_kernels(count: int) -> Sequence[Kernel]:
    text = "kernel k(y: out f32[{n}]) {{ vector v < {n} {{ y[v] = 1.0:f32 }} }}"
    return parse("\n".join(text.format(n=10 + n) for n in range(count)))


# Objects by hand.

CODE = Section(".text", bytes(range(64)), 16, ())


def an_object(*relocations: Relocation, symbols: Sequence[Symbol] = ()) -> Object:
    constants = Section(".rodata", b"constants", 1, ())
    own = Symbol("f", 1, 8, 24, is_function=True)
    sections = {1: replace(CODE, relocations=relocations), 4: constants}
    return Object(62, sections, (own, Symbol("c", 4, 2, 3, is_function=False), *symbols))


def test_sections_are_placed_on_lines_and_functions_named() -> None:
    image = place([("a.", an_object()), ("b.", an_object())])
    assert image.functions == {"a.f": Extent(8, 24), "b.f": Extent(136, 24)}
    assert image.data[128:192] == CODE.data
    assert image.data[64:73] == image.data[192:201] == b"constants"


def test_relocations_are_relative_to_their_place() -> None:
    image = place([("", an_object(Relocation(10, 2, 1, -4)))])
    assert np.frombuffer(image.data[10:14], "<i4") == [64 + 2 - 4 - 10]


def test_calls_reach_functions_of_other_objects() -> None:
    elsewhere = Symbol("a.f", None, 0, 0, is_function=False)
    caller = an_object(Relocation(0, 4, 2, -4), symbols=[elsewhere])
    image = place([("a.", an_object()), ("b.", caller)])
    assert np.frombuffer(image.data[128:132], "<i4") == [8 - 4 - 128]


def test_an_undefined_function_is_named() -> None:
    missing = Symbol("fmodf", None, 0, 0, is_function=False)
    with pytest.raises(AssertionError, match="undefined symbol fmodf"):
        place([("", an_object(Relocation(0, 4, 2, -4), symbols=[missing]))])


def test_an_absolute_reference_is_refused() -> None:
    with pytest.raises(AssertionError, match="relocation 1 is not relative"):
        place([("", an_object(Relocation(0, 1, 1, 0)))])


def test_writable_data_is_refused() -> None:
    text = f'target triple = "{V3.triple}"\n@state = global i32 1\n'
    with pytest.raises(AssertionError, match=r"\.data is writable"):
        read_object(compile_text(text, V3))


# Measuring.


def timed(code: Executable, x: Array, y: Array, cores: int) -> Array:
    """The times that each core writes down when all call the timed form of entry 0."""
    table = np.zeros((cores, 1 + len(tuple(marks(CHAIN)))), np.uint64)
    replaced = replace(code, entries=code.timed)
    run_entry(replaced, 0, x, y, cores, table.ctypes.data)
    return table


@pytest.mark.parametrize("cores", [1, 3])
@each_width
def test_a_timed_entry_does_the_same_and_writes_down_when(target: Target, cores: int) -> None:
    code = link(compile_kernels([STEP, SCALE], target), [CHAIN], target)
    x = np.arange(96, dtype=np.float32)
    plain, measured = np.zeros((2, 100), np.float32)
    run_entry(code, 0, x, plain, cores)
    table = timed(code, x, measured, cores)
    assert np.array_equal(plain, measured)
    assert (np.diff(table.astype(np.int64), axis=1) >= 0).all()
    assert table.all()


def test_marks_name_kernels_and_barriers_in_order() -> None:
    calls = (Call(3, (), barrier_after=True), Call(1, ()), Call(3, (), barrier_after=True))
    assert list(marks(calls)) == [3, None, 1, 3, None]


@each_width
def test_yardsticks_work_on_every_core(target: Target) -> None:
    measures = yardsticks([STEP], target)
    assert [measure.name for measure in measures] == ["copy", "f32"]
    code = link(compile_kernels([STEP], target), [()], target, measures)
    copy, products = (map_code(code.data) + offset for offset in code.yardsticks)
    memory = np.random.default_rng(0).integers(0, 256, measures[0].work, np.uint8)
    zeros = np.zeros(256, np.uint8)
    half = measures[0].work // 2
    for core in range(2):
        ENTRY(copy)(memory.ctypes.data, None, None, zeros.ctypes.data, core, 2)
    assert np.array_equal(memory[:half], memory[half:])
    for core in range(2):
        ENTRY(products)(memory.ctypes.data, None, None, zeros.ctypes.data, core, 2)
    assert not memory[: 4 * target.lanes].any()
    assert not memory[4096 : 4096 + 4 * target.lanes].any()


def test_a_long_entry_is_made_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PART_STEPS", 7)
    code = link(compile_kernels([STEP, SCALE], V3), [CHAIN], V3)
    x, y = np.arange(96, dtype=np.float32), np.zeros(100, np.float32)
    assert timed(code, x, y, 2).all()
    assert np.array_equal(y[4:], (x[::-1] + STEPS + 1) * 1.5)


@pytest.mark.parametrize(
    ("target", "instruction"), [("x86-64-v3", "rdtsc"), ("aarch64", "CNTVCT_EL0")]
)
def test_the_clock_is_one_that_any_process_may_read(target: str, instruction: str) -> None:
    text = driver.emit_entries([()], [], TARGETS[target])
    assert instruction in assembly(text, TARGETS[target])
