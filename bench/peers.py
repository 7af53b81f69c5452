"""Time ncc beside other engines: `python bench/peers.py [NAME_OR_FILE ...] [--json FILE]`.

Bundles are made first, by the command line. Then each engine runs in processes of its own, in
turns. Prints tables in markdown: medians and ratios; start, memory and size.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cases
import report
from bundles import Built, build
from cases import Case
from engines import ENGINES
from messages import Effort, Job
from processes import CommandError
from report import Row
from turns import Result, compete

BUNDLES = cases.ROOT / "build" / "bench"


def main() -> None:
    arguments = parser().parse_args()
    engines = arguments.engine or list(ENGINES)
    effort = Effort(arguments.starts, arguments.rounds, arguments.seconds)
    rows: list[Row] = []
    for case in chosen(arguments):
        for row in timed(case, engines, arguments.cores, effort):
            rows.append(row)
            sys.stderr.write(f"{report.progress(row)}\n")
            if arguments.json:
                arguments.json.write_text(json.dumps(report.as_json(rows, engines), indent=1))
    sys.stdout.write("\n".join(report.markdown(rows, engines)) + "\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Time ncc beside other engines.")
    made.add_argument("names", nargs="*", help=f"ONNX files, or of {', '.join(cases.known())}")
    made.add_argument(
        "--engine", action="append", choices=list(ENGINES), help="only this one; may repeat"
    )
    made.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="such as 1 2")
    made.add_argument(
        "--dim", type=binding, action="append", default=[("batch", 1)], metavar="NAME=SIZE"
    )
    made.add_argument("--batch", type=int, nargs="+", default=[1], help="of the networks")
    made.add_argument("--starts", type=int, default=Effort.starts, help="of each engine")
    made.add_argument("--rounds", type=int, default=Effort.rounds)
    made.add_argument("--seconds", type=float, default=Effort.seconds, help="of one turn")
    made.add_argument("--json", type=Path, help="also write every time to this file")
    return made


def binding(text: str) -> tuple[str, int]:
    """`batch=8` as a symbol and its size."""
    name, _, size = text.partition("=")
    return name, int(size)


def chosen(arguments: argparse.Namespace) -> Iterator[Case]:
    """The cases named on the command line, by default all that there are."""
    for name in arguments.names or cases.known():
        if name in cases.known():
            yield from cases.named(name, tuple(arguments.batch))
        else:
            yield cases.from_file(Path(name), dict(arguments.dim))


def timed(
    case: Case, engines: Sequence[str], cores: Sequence[int], effort: Effort
) -> Iterator[Row]:
    """One row for each number of cores; starts are measured on the first."""
    built, failed = bundles(case, engines)
    files = {name: str(bundle.path) for name, bundle in built.items()}
    running = [name for name in engines if name not in failed]
    for number, count in enumerate(cores):
        jobs = [
            Job(name, files.get(name, str(case.model)), case.dims, case.inputs, count)
            for name in running
        ]
        results = compete(jobs, effort if number == 0 else replace(effort, starts=1))
        yield Row(case.name, case.group, count, {**results, **failed}, built)


def bundles(case: Case, engines: Sequence[str]) -> tuple[dict[str, Built], dict[str, Result]]:
    """The bundle of each engine that runs one, and those that could not be made."""
    built: dict[str, Built] = {}
    failed: dict[str, Result] = {}
    for name in engines:
        options = ENGINES[name].compile
        if options is None:
            continue
        path = BUNDLES / f"{case.name.replace(' ', '-')}.{name}.neff"
        try:
            built[name] = build(case.model, path, dims=case.dims, options=options)
        except CommandError as error:
            failed[name] = Result(error=str(error))
    return built, failed


if __name__ == "__main__":
    main()
