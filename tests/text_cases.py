"""Text cases: a small program and what becomes of it.

// pass: canonicalize, cse          (without this line a case is parsed and printed)
// pass: fuse                       (a pass that asks a backend asks the one for the cpu)

=== a title that says what happens
graph @g(...) {...}
--- out                             the graph afterwards; both are run and compared
--- unchanged                       nothing happens; the reasons that rules gave follow
--- error                           the error as the user sees it
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.backends.cpu.kernels.attention import attends
from ncc.backends.cpu.kernels.row_sums import sums_rows
from ncc.backends.cpu.rules import classify, refusal
from ncc.diagnostics import NccError
from ncc.ir.fold import number
from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.rewrite import Trace
from ncc.ir.text.parser import parse
from ncc.ir.text.printer import to_text
from ncc.ir.types import Affine, DType, TensorType, dim_bind, dim_symbols
from ncc.ir.verify import verify
from ncc.passes import Step, read_steps, run_passes
from ncc.passes.fuse import fuse
from ncc.passes.place import place
from ncc.passes.split_batch import split_batch

ASKING: dict[str, Callable[[Graph], Graph]] = {
    "fuse": partial(
        fuse,
        classify=classify,
        holds=lambda value: number(value) is not None,
        attends=attends,
        sums=sums_rows,
    ),
    "place": partial(place, refusal=refusal),
    "split_batch": partial(split_batch, hides=lambda node: 0, cache=32),
}
"""The passes that ask a backend, and their answers."""

SECTION = re.compile(r"^--- (out|unchanged|error)\n", re.MULTILINE)
TOLERANCE = {
    DType.f64: 1e-12,
    DType.f32: 1e-5,
    DType.tf32: 4e-3,
    DType.f16: 4e-3,
    DType.bf16: 3e-2,
    DType.f8e4m3: 2e-1,
    DType.f8e5m2: 4e-1,
}
"""Error allowed for the narrowest float of two graphs, as a part of the output's range."""


class AskingStep(Step):
    """A pass that asks a backend."""

    def run(self, graph: Graph, trace: Trace | None = None) -> Graph:
        return ASKING[self.name](graph)


@dataclass(frozen=True)
class Case:
    """One program, and the kind and text of what becomes of it."""

    title: str
    program: str
    kind: str
    expected: str

    def __str__(self) -> str:
        expected = f"{self.expected}\n" if self.expected else ""
        return f"=== {self.title}\n{self.program}\n--- {self.kind}\n{expected}"


@dataclass(frozen=True)
class CaseFile:
    """The cases of one file and the passes that they are put through."""

    path: Path
    head: str
    cases: tuple[Case, ...]

    @staticmethod
    def read(path: Path) -> CaseFile:
        head, *parts = re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert parts, f"{path} has no cases"
        return CaseFile(path, head, tuple(_case(part, path) for part in parts))

    @property
    def steps(self) -> list[Step]:
        found = re.search(r"^// pass: (.+)$", self.head, re.MULTILINE)
        if found and found[1] in ASKING:
            return [AskingStep(found[1])]
        return read_steps(found[1]) if found else []

    def bless(self, case: Case) -> None:
        """Write `case` in the place of the one with its title."""
        fresh = CaseFile.read(self.path)
        cases = [case if case.title == old.title else old for old in fresh.cases]
        self.path.write_text(fresh.head + "\n".join(map(str, cases)), encoding="utf-8")


def _case(part: str, path: Path) -> Case:
    title, body = part.split("\n", 1)
    pieces = SECTION.split(body)
    assert len(pieces) in (1, 3), f"{path}: '{title}' needs one of --- out, unchanged, error"
    program, kind, expected = pieces if len(pieces) == 3 else (body, "out", "")
    return Case(title, program.strip(), kind, expected.strip())


def outcome(case: Case, steps: list[Step]) -> Case:
    """`case` with what becomes of its program; what changed must mean the same."""
    trace = Trace()
    try:
        before = parse(case.program)
        verify(before)
        after = run_passes(before, steps, trace=trace)
    except NccError as error:
        return replace(case, kind="error", expected=str(error))
    verify(after)
    text = to_text(after).strip()
    assert to_text(parse(text)).strip() == text
    if text == (to_text(before).strip() if steps else case.program):
        return replace(case, kind="unchanged", expected="\n".join(trace.lines))
    if steps:
        compare(before, after)
    return replace(case, kind="out", expected=text)


def compare(before: Graph, after: Graph) -> None:
    """Run two graphs on the same random inputs; their outputs agree to `TOLERANCE`."""
    inputs = random_inputs(before)
    tolerance = max(TOLERANCE[dtype] for dtype in _floats(before) | _floats(after) | {DType.f64})
    pairs = zip(interpret(before, inputs), interpret(after, inputs), strict=True)
    for old, new in pairs:
        assert old.dtype == new.dtype
        assert old.shape == new.shape
        if DType.of(old.dtype).is_float:
            _compare_floats(old, new, tolerance)
        else:
            np.testing.assert_array_equal(old, new)


def _compare_floats(old: npt.NDArray[Any], new: npt.NDArray[Any], tolerance: float) -> None:
    old, new = old.astype(np.float64), new.astype(np.float64)
    finite = np.abs(old[np.isfinite(old)])
    allowed = tolerance * float(finite.max(initial=0.0))
    np.testing.assert_allclose(new, old, rtol=0, atol=allowed)


def _floats(graph: Graph) -> set[DType]:
    """The float types of all values of a graph."""
    values = [*graph.inputs, *(value for node in graph.nodes for value in node.results)]
    types = [value.type for value in values if isinstance(value.type, TensorType)]
    return {type.dtype for type in types if type.dtype.is_float}


def random_inputs(graph: Graph) -> list[npt.NDArray[Any]]:
    """One seeded array per input; every symbol is a small number of its own."""
    random = np.random.default_rng(0)
    types = [value.tensor for value in graph.inputs]
    symbols = sorted({name for type in types for dim in type.shape for name in dim_symbols(dim)})
    sizes = {name: index + 2 for index, name in enumerate(symbols)}
    return [random_array(random, type, sizes) for type in types]


def random_array(
    random: np.random.Generator, type: TensorType, sizes: dict[str, int]
) -> npt.NDArray[Any]:
    """Normal floats; zeros and ones for the rest, so that they are valid indices."""
    bound = [dim_bind(dim, sizes) if isinstance(dim, Affine) else dim for dim in type.shape]
    shape = [dim if isinstance(dim, int) else 2 for dim in bound]
    if type.dtype.is_float:
        return random.standard_normal(shape).astype(type.dtype.numpy)
    return random.integers(0, 2, shape).astype(type.dtype.numpy)
