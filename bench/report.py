"""What was measured, as tables for people and as data."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundles import Built
from engines import ENGINES
from turns import Result

RATIOS = (
    ("ncc", "onnxruntime"),
    ("ncc", "openvino-bf16"),
    ("ncc-f32", "onnxruntime"),
    ("ncc-f32", "openvino-f32"),
)
"""Who is compared with whom: each with those that round as much as it does, or less."""
FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
"""Features of the CPU that matter to the figures."""
UNKNOWN = Result()


@dataclass(frozen=True)
class Row:
    """One model on a number of cores: what each engine, by its name, did, and the bundles."""

    model: str
    group: str
    cores: int
    results: Mapping[str, Result]
    built: Mapping[str, Built]

    def of(self, engine: str) -> Result:
        return self.results.get(engine, UNKNOWN)

    def ratio(self, subject: str, peer: str) -> float:
        """How many times faster than `peer` the subject is, by their medians."""
        return self.of(peer).p50 / self.of(subject).p50


def progress(row: Row) -> str:
    """One line on a row that is done."""
    failures = [f"{name}: {r.error}" for name, r in row.results.items() if r.error]
    medians = [f"{name} {r.p50:.2f}" for name, r in row.results.items() if r.times]
    return "; ".join([f"{row.model} on {row.cores}", *medians, *failures])


def markdown(rows: Sequence[Row], engines: Sequence[str]) -> Iterator[str]:
    """All tables."""
    yield f"{machine()}; {', '.join(versions(engines))}."
    yield ""
    yield from times(rows, engines)
    yield ""
    yield from costs(rows, engines)


def times(rows: Sequence[Row], engines: Sequence[str]) -> Iterator[str]:
    """Medians of each engine in milliseconds, the spread and agreement of ncc, and how many times
    faster than each peer it is; a geometric mean of the ratios ends each group.
    """
    timed = [name for name in engines if ENGINES[name].timed]
    pairs = [pair for pair in RATIOS if set(pair) <= set(timed)]
    titles = [f"{name} ms" for name in timed] + ["p99/p50", "cosine"]
    titles += [f"{peer} / {subject}" for subject, peer in pairs]
    yield from head("model", "cores", *titles)
    for group in _groups(rows):
        for row in group:
            subject = row.of("ncc")
            yield line(
                *(row.model, str(row.cores)),
                *(f"{row.of(name).p50:.2f}" for name in timed),
                *(f"{subject.p99 / subject.p50:.2f}", f"{subject.cosine:.5f}"),
                *(f"{row.ratio(*pair):.2f}" for pair in pairs),
            )
        blank = [""] * (len(timed) + 2)
        means = [f"{geometric_mean(row.ratio(*pair) for row in group):.2f}" for pair in pairs]
        yield line(f"*{group[0].group}: geometric mean*", str(group[0].cores), *blank, *means)


def costs(rows: Sequence[Row], engines: Sequence[str]) -> Iterator[str]:
    """What a model costs besides its time: seconds from the start of a process to its first
    output, resident memory, what a second process of ncc adds to that beyond Python and numpy (of
    the engine "nothing"), and making the bundle.
    """
    yield from head(
        "model",
        *(f"{name} start s" for name in engines),
        *(f"{name} MB" for name in engines),
        *("second ncc MB", "bundle MB", "compile s", "compile MB"),
    )
    for row in rows:
        if row.cores == 1 and (built := row.built.get("ncc")):
            yield line(
                row.model,
                *(f"{row.of(name).start:.3f}" for name in engines),
                *(_megabytes(row.of(name).resident) for name in engines),
                _megabytes(row.of("ncc").private - row.of("nothing").private),
                _megabytes(built.nbytes),
                *(f"{built.seconds:.1f}", _megabytes(built.peak_bytes)),
            )


def geometric_mean(values: Iterable[float]) -> float:
    """Of those that are numbers; not a number if none is."""
    logs = [math.log(value) for value in values if math.isfinite(value)]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def as_json(rows: Sequence[Row], engines: Sequence[str]) -> dict[str, Any]:
    """Everything, with every single time."""
    return {"machine": machine(), "versions": versions(engines), "rows": [*map(_row, rows)]}


def _row(row: Row) -> dict[str, Any]:
    return {
        "model": row.model,
        "group": row.group,
        "cores": row.cores,
        "engines": {name: _result(result) for name, result in row.results.items()},
        "bundles": {name: _built(built) for name, built in row.built.items()},
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "p50_ms": finite(result.p50),
        "p99_ms": finite(result.p99),
        "cosine": finite(result.cosine),
        "start_s": finite(result.start),
        "resident_bytes": result.resident,
        "private_bytes": result.private,
        "error": result.error,
        "times_ms": [round(time, 4) for time in result.times],
    }


def _built(built: Built) -> dict[str, Any]:
    return {
        "bytes": built.nbytes,
        "compile_s": built.seconds,
        "compile_peak_bytes": built.peak_bytes,
        "compile_own_bytes": built.own_bytes,
        "figures": built.figures,
    }


def finite(number: float) -> float | None:
    """JSON has no word for what is not a number but null."""
    return number if math.isfinite(number) else None


def machine() -> str:
    """The machine by what its CPU can do."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    count = sum(line.startswith("processor") for line in lines)
    return f"{count} cores with {', '.join(flag for flag in FLAGS if flag in flags)}"


def versions(engines: Sequence[str]) -> list[str]:
    """Of the packages that were compared."""
    packages = dict.fromkeys(ENGINES[name].package for name in engines)
    return [f"{package} {importlib.metadata.version(package)}" for package in packages]


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of each group and number of cores."""
    for group, cores in dict.fromkeys((row.group, row.cores) for row in rows):
        yield [row for row in rows if (row.group, row.cores) == (group, cores)]


def head(*titles: str) -> Iterator[str]:
    """The first lines of a table in markdown; all columns but the first hold numbers."""
    yield line(*titles)
    yield "| --- |" + " ---: |" * (len(titles) - 1)


def line(*cells: str) -> str:
    """A row of a table in markdown."""
    return f"| {' | '.join(cells)} |"


def _megabytes(nbytes: int) -> str:
    return f"{nbytes / 1e6:.1f}"
