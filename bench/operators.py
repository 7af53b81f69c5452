"""Time single operators in f32 beside ONNX Runtime: `python bench/operators.py [NAME ...]`.

Both run in turns in one process, on one core. Prints a line each, in microseconds of a call, the
slowest against the peer first; what differs from the peer's result is marked.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ncc
from engines import Run, load_ncc, load_onnxruntime
from messages import Array, Job, Outputs
from operator_cases import Operator, operators

ROUNDS, SECONDS = 3, 0.02
"""Turns of each engine, and how long one lasts."""
RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""Differences of floats that are none."""


@dataclass(frozen=True)
class Timed:
    """Seconds of a call by either, and whether the results agree."""

    name: str
    own: float
    peer: float
    same: bool

    @property
    def ratio(self) -> float:
        return self.peer / self.own

    def line(self) -> str:
        mark = "" if self.same else "  differs"
        return (
            f"{self.ratio:6.2f} {self.name:40} {self.own * 1e6:9.1f} {self.peer * 1e6:9.1f}{mark}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time single operators beside ONNX Runtime.")
    parser.add_argument("names", nargs="*", default=[""], help="parts of names; default: all")
    names = parser.parse_args().names
    chosen = [one for one in operators() if any(name in str(one) for name in names)]
    with tempfile.TemporaryDirectory(prefix="operators-") as folder:
        prepared = [prepare(one, Path(folder) / str(i)) for i, one in enumerate(chosen)]
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        rows = [timed(one, *runs) for one, runs in zip(chosen, prepared, strict=True)]
    sys.stdout.write(f"{'ratio':>6} {'operator':40} {'ncc us':>9} {'peer us':>9}\n")
    for row in sorted(rows, key=lambda row: row.ratio):
        sys.stdout.write(f"{row.line()}\n")


def prepare(one: Operator, path: Path) -> tuple[Run, Run]:
    """What runs an operator by ncc and by the peer."""
    model, bundle = path.with_suffix(".onnx"), path.with_suffix(".neff")
    model.write_bytes(one.model().SerializeToString())
    ncc.compile(model, auto_cast="none").save(bundle)
    inputs = one.inputs()
    return (
        load_ncc(Job("ncc-f32", str(bundle), {}, inputs, 1)),
        load_onnxruntime(Job("onnxruntime", str(model), {}, inputs, 1)),
    )


def timed(one: Operator, own: Run, peer: Run) -> Timed:
    """Medians of calls in turns."""
    agree = same(own(), peer())
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        turn(own, ours)
        turn(peer, theirs)
    return Timed(str(one), statistics.median(ours), statistics.median(theirs), agree)


def turn(run: Run, times: list[float]) -> None:
    """Run for a turn, at least twice, and append the time of each call."""
    end = time.perf_counter() + SECONDS
    calls = 0
    while calls < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
        calls += 1


def same(own: Outputs, peer: Outputs) -> bool:
    return all(map(alike, own, peer))


def alike(a: Array, b: Array) -> bool:
    """Whether two results have one type and shape, and equal or nearly equal elements."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    first, second = a.astype(np.float64), b.astype(np.float64)
    return bool(np.allclose(first, second, RELATIVE, ABSOLUTE, equal_nan=True))


if __name__ == "__main__":
    main()
