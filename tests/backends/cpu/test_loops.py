"""Text cases of kernels: how they print, what is refused, and what may share memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from ncc.backends.cpu.loopir.aliasing import shareable
from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import Apply, Buffer, For, Kernel, Load, Role, Store, Var
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.cpu.loopir.verify import verify_kernel
from ncc.diagnostics import NccError
from ncc.ir.types import DType
from tests.backends.cpu.random_kernels import Sample, samples
from tests.text_cases import Case, CaseFile

HERE = Path(__file__).resolve().parent


def printed(case: Case) -> Case:
    """The kernels as they print, or why they are refused."""
    try:
        kernels = parse(case.program)
        for kernel in kernels:
            verify_kernel(kernel)
    except NccError as error:
        return replace(case, kind="error", expected=str(error))
    except AssertionError as error:
        return replace(case, kind="error", expected=str(error))
    text = "\n".join(map(to_text, kernels)).strip()
    kind, expected = ("unchanged", "") if text == case.program else ("out", text)
    return replace(case, kind=kind, expected=expected)


def sharing(case: Case) -> Case:
    """Which input may be which output, one pair on a line."""
    (kernel,) = parse(case.program)
    verify_kernel(kernel)
    names = [buffer.name for buffer in kernel.params]
    pairs = [f"{names[i]} may be {names[j]}" for i, j in sorted(shareable(kernel))]
    return replace(case, kind="out", expected="\n".join(pairs))


OUTCOMES: dict[str, Callable[[Case], Case]] = {
    "loops_text": printed,
    "loops_refused": printed,
    "loops_sharing": sharing,
}


def cases() -> Iterator[object]:
    for stem in OUTCOMES:
        file = CaseFile.read(HERE / f"{stem}.ncc")
        for case in file.cases:
            yield pytest.param(file, case, id=f"{stem}: {case.title}")


@pytest.mark.parametrize(("file", "case"), list(cases()))
def test_case(file: CaseFile, case: Case, bless: bool) -> None:
    found = OUTCOMES[file.path.stem](case)
    if bless:
        file.bless(found)
        return
    assert (found.kind, found.expected) == (case.kind, case.expected)


@settings(deadline=None, max_examples=50)
@given(samples())
def test_text_reads_back_to_the_same_kernel(sample: Sample) -> None:
    text = to_text(sample.kernel)
    (again,) = parse(text)
    assert to_text(again) == text
    verify_kernel(again)
    ours, theirs = sample.fresh(), sample.fresh()
    run_loops(sample.kernel, ours)
    run_loops(again, theirs)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(ours, theirs, strict=True))


def test_a_long_chain_of_shared_values_prints_in_linear_size() -> None:
    x, y = (Buffer(role.value, DType.f32, 1, role) for role in (Role.input, Role.output))
    i = Var("i")
    value = Apply("abs", (Load(x, i),), DType.f32)
    for _ in range(5000):
        value = Apply("add", (value, value), DType.f32)
    kernel = Kernel("chain", (x, y), (), (For(i, 1, (Store(y, i, value),)),))
    text = to_text(kernel)
    assert len(text) < 500_000
    assert to_text(*parse(text)) == text
