"""ncc bench: how long one run takes, and how many fit in a second."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import click
import numpy as np

from ncc.cli.inputs import RANDOM, cores_option, input_option, read_inputs, seed_option
from ncc.cli.output import Table, emit, format_option
from ncc.cli.seconds import Seconds
from ncc.neff.format import TensorSpec
from ncc.runtime.session import Model, load
from ncc.runtime.tensors import Array

PERCENTILES = (50, 90, 99)


@click.command()
@click.argument("bundle")
@input_option
@click.option("--warmup", type=click.IntRange(min=0), default=5, show_default=True, help="Runs.")
@click.option("--iterations", type=click.IntRange(min=1), metavar="N", help="Measure N runs.")
@click.option(
    "--seconds",
    type=Seconds(min=0, min_open=True),
    metavar="S",
    help="Measure for this long; default: 2.",
)
@cores_option
@seed_option
@format_option
def command(
    bundle: str,
    given: Sequence[str],
    warmup: int,
    iterations: int | None,
    seconds: float | None,
    cores: int | None,
    seed: int,
    form: str,
) -> None:
    """Measure BUNDLE, on random inputs where none are given, one run after another."""
    if iterations is not None and seconds is not None:
        raise click.UsageError("--iterations and --seconds exclude each other")
    with load(bundle) as model:
        arrays = read_inputs(model, [*given, RANDOM], seed)
        for _ in range(warmup):
            model.run(arrays, cores=cores)
        limit = 2.0 if iterations is None and seconds is None else seconds
        times = measure(model, arrays, cores, iterations, limit)
        result = {
            "bundle": bundle,
            "cores": model.cores if cores is None else cores,
            "warmup": warmup,
            "iterations": len(times),
            **statistics(times, batch(model.inputs, model.outputs)),
        }
    emit(form, result, Table(bundle, (), _rows(result)).lines)


def measure(
    model: Model,
    arrays: dict[str, Array],
    cores: int | None,
    iterations: int | None,
    seconds: float | None,
) -> list[float]:
    """Seconds of each run: `iterations` of them, or as many as begin within `seconds`."""
    inputs = [arrays[spec.name] for spec in model.inputs]
    times: list[float] = []
    begin = time.perf_counter()
    for _ in range(iterations) if iterations is not None else itertools.count():
        start = time.perf_counter()
        if seconds is not None and times and start - begin >= seconds:
            break
        model(*inputs, cores=cores)
        times.append(time.perf_counter() - start)
    return times


def statistics(times: Sequence[float], items: int) -> dict[str, Any]:
    """Latencies in seconds, and runs and items in one second."""
    latencies = {f"p{p}": float(np.percentile(times, p)) for p in PERCENTILES}
    mean = float(np.mean(times))
    return {
        "latency_seconds": {**latencies, "min": min(times), "max": max(times), "mean": mean},
        "runs_per_second": 1 / mean,
        "items_per_run": items,
        "items_per_second": items / mean,
    }


def batch(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> int:
    """How many items a run works on: the first size, where all inputs and outputs have the same."""
    sizes = {spec.shape[0] if spec.shape else 1 for spec in (*inputs, *outputs)}
    size = sizes.pop() if len(sizes) == 1 else 1
    return size if isinstance(size, int) else 1


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    latency = result["latency_seconds"]
    names = [*(f"p{p}" for p in PERCENTILES), "min", "max", "mean"]
    rows = [
        ("cores", str(result["cores"])),
        ("runs", f"{result['iterations']} measured after {result['warmup']} to warm up"),
        *((name, f"{latency[name] * 1e3:.4g} ms") for name in names),
        ("runs/s", f"{result['runs_per_second']:.4g}"),
    ]
    if result["items_per_run"] > 1:
        rows.append(("items/s", f"{result['items_per_second']:.4g}"))
    return rows
