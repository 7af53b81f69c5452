"""Time ncc beside other engines: `python bench/peers.py MODEL_OR_FOLDER ... [--json FILE]`.

Prints a markdown table of medians in milliseconds and of their ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines import ENGINES, Job
from inputs import seeded_inputs
from turns import Effort, Result, compete

SUBJECT = "ncc"


@dataclass(frozen=True)
class Row:
    """One model on a number of cores: what each engine, by its name, did."""

    model: str
    cores: int
    results: Mapping[str, Result]


def main() -> None:
    arguments = parser().parse_args()
    effort = Effort(arguments.rounds, arguments.seconds)
    engines = arguments.engine or list(ENGINES)
    rows = []
    for path in model_files(arguments.models):
        inputs = seeded_inputs(path, dict(arguments.dim))
        for cores in arguments.cores:
            job = Job(path, dict(arguments.dim), inputs, cores)
            rows.append(Row(path.stem, cores, compete(job, engines, effort)))
            report_failures(rows[-1])
    sys.stdout.write("\n".join(table(rows, engines)) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps([as_json(row) for row in rows], indent=1) + "\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Time ncc beside other engines.")
    made.add_argument("models", nargs="+", type=Path, help="ONNX files, or folders of them")
    made.add_argument(
        "--engine", action="append", choices=list(ENGINES), help="only this one; may repeat"
    )
    made.add_argument("--cores", type=int, nargs="+", default=[1], help="such as 1 2")
    made.add_argument(
        "--dim", type=binding, action="append", default=[("batch", 1)], metavar="NAME=SIZE"
    )
    made.add_argument("--rounds", type=int, default=Effort.rounds)
    made.add_argument("--seconds", type=float, default=Effort.seconds, help="of one turn")
    made.add_argument("--json", type=Path, help="also write every time to this file")
    return made


def binding(text: str) -> tuple[str, int]:
    """`batch=8` as a symbol and its size."""
    name, _, size = text.partition("=")
    return name, int(size)


def model_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.onnx")) if path.is_dir() else [path]


def report_failures(row: Row) -> None:
    for name, result in row.results.items():
        if result.error:
            sys.stderr.write(f"{row.model}, {name}: {result.error}\n")


def table(rows: Iterable[Row], engines: list[str]) -> Iterator[str]:
    """Markdown: medians of each engine, then the subject's spread and agreement with the
    reference, and how many times faster than each peer it is.
    """
    peers = [engine for engine in engines if engine != SUBJECT]
    titles = ["model", "cores", *(f"{engine} ms" for engine in engines)]
    if SUBJECT in engines:
        titles += ["p99/p50", "cosine", *(f"x {peer}" for peer in peers)]
    yield f"| {' | '.join(titles)} |"
    yield "| --- |" + " ---: |" * (len(titles) - 1)
    for row in rows:
        cells = [row.model, str(row.cores), *(f"{row.results[name].p50:.2f}" for name in engines)]
        if SUBJECT in engines:
            subject = row.results[SUBJECT]
            cells += [f"{subject.p99 / subject.p50:.2f}", f"{subject.cosine:.5f}"]
            cells += [f"{row.results[peer].p50 / subject.p50:.2f}" for peer in peers]
        yield f"| {' | '.join(cells)} |"


def as_json(row: Row) -> dict[str, object]:
    engines = {
        name: {
            "p50_ms": finite(result.p50),
            "p99_ms": finite(result.p99),
            "cosine": finite(result.cosine),
            "error": result.error,
            "times_ms": result.times,
        }
        for name, result in row.results.items()
    }
    return {"model": row.model, "cores": row.cores, "engines": engines}


def finite(number: float) -> float | None:
    """JSON has no word for what is not a number but null."""
    return number if math.isfinite(number) else None


if __name__ == "__main__":
    main()
