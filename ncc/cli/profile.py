"""ncc profile: where the time of a run goes, kernel by kernel, and what bounds each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from ncc.cli.inputs import RANDOM, cores_option, input_option, read_inputs, seed_option
from ncc.cli.output import Table, emit, format_option, quantity, share, sheet
from ncc.cli.seconds import Seconds
from ncc.runtime.profile import COPY, KernelTime, Profile, profile
from ncc.runtime.session import load

SHOWN = 2
"""Source nodes of a kernel that the text names."""
BUSY = 0.3
"""A kernel below this share of both limits is bound by neither."""


@click.command()
@click.argument("bundle")
@input_option
@click.option(
    "--seconds",
    type=Seconds(min=0, min_open=True),
    metavar="S",
    default=1.0,
    show_default=True,
    help="Measure for about this long.",
)
@cores_option
@seed_option
@format_option
def command(
    bundle: str, given: Sequence[str], seconds: float, cores: int | None, seed: int, form: str
) -> None:
    """Measure the kernels of BUNDLE, on random inputs where none are given."""
    with load(bundle) as model:
        arrays = read_inputs(model, [*given, RANDOM], seed)
        inputs = [arrays[spec.name] for spec in model.inputs]
        found = profile(model, inputs, cores=cores, seconds=seconds)
        source = model.manifest.source
    data = {"bundle": bundle, **_described(found)}
    emit(form, data, lambda: _lines(data, source))


def _described(found: Profile) -> dict[str, Any]:
    kernels = sorted(found.kernels, key=lambda kernel: -kernel.total)
    return {
        "target": found.target,
        "cores": found.cores,
        "runs": found.calls,
        "seconds": found.seconds,
        "kernels": [_kernel(kernel, found) for kernel in kernels],
        "host_segments": [{"graph": name, "seconds": s} for name, s in found.host],
        "outside_seconds": found.outside,
        "peaks": found.peaks,
    }


def _kernel(kernel: KernelTime, found: Profile) -> dict[str, Any]:
    flops, memory = kernel.flops / kernel.total, kernel.bytes / kernel.total
    of_peak = flops / found.peaks.get(kernel.limit, math.inf)
    of_copy = memory / found.peaks.get(COPY, math.inf)
    return {
        **asdict(kernel),
        "share": kernel.total / found.seconds,
        "flops_per_second": flops,
        "bytes_per_second": memory,
        "of_peak": of_peak,
        "of_copy": of_copy,
        "bound": _bound(of_peak, of_copy),
    }


def _bound(of_peak: float, of_copy: float) -> str:
    if max(of_peak, of_copy) < BUSY:
        return "neither"
    return "arithmetic" if of_peak >= of_copy else "memory"


def _lines(data: dict[str, Any], source: str) -> Iterator[str]:
    whole = data["seconds"]
    cores = f"{data['cores']} core{'s' if data['cores'] > 1 else ''}"
    title = f"{data['bundle']}: {data['target']}, {cores}, {_us(whole)} us a run"
    rows = [_row(kernel, source) for kernel in data["kernels"]]
    rows += [_other(item["graph"], item["seconds"], whole) for item in data["host_segments"]]
    rows.append(_other("outside", data["outside_seconds"], whole))
    rows.append(("total", "", _us(whole), "100.0 %", *[""] * 7))
    headings = (
        *("kernel", "calls", "us", "share", "us waiting", "FLOP/s", "of peak", "B/s", "of copy"),
        *("bound by", "source nodes"),
    )
    return sheet(Table(title, headings, rows), _peaks(data["peaks"]))


def _row(kernel: dict[str, Any], source: str) -> tuple[object, ...]:
    return (
        kernel["name"],
        kernel["calls"],
        _us(kernel["seconds"] + kernel["waiting"]),
        share(kernel["share"], 1),
        _us(kernel["waiting"]),
        quantity(kernel["flops_per_second"], ""),
        share(kernel["of_peak"], 1),
        quantity(kernel["bytes_per_second"], ""),
        share(kernel["of_copy"], 1),
        kernel["bound"],
        _sources(kernel["sources"], source),
    )


def _other(name: str, seconds: float, whole: float) -> tuple[object, ...]:
    return (name, "", _us(seconds), share(seconds, whole), *[""] * 7)


def _sources(sources: Sequence[str], file: str) -> str:
    """The first nodes that a kernel does part of, without the name of their file."""
    shown = [source.removeprefix(f"{file}, ") for source in sources[:SHOWN]]
    more = [f"and {len(sources) - SHOWN} more"] if len(sources) > SHOWN else []
    return ", ".join([*shown, *more])


def _peaks(peaks: dict[str, float]) -> Table:
    rows = [
        (name, quantity(peak, "B/s" if name == COPY else "FLOP/s")) for name, peak in peaks.items()
    ]
    return Table("what this machine did at the same time", (), rows)


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)
