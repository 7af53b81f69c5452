"""ncc run: a bundle on given inputs, once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO

import click
import numpy as np

from ncc.cli.inputs import cores_option, input_option, read_inputs, seed_option
from ncc.cli.output import Table, emit, format_option, say
from ncc.neff.atomic import replace_file
from ncc.neff.format import TensorSpec
from ncc.runtime.session import load
from ncc.runtime.tensors import EXTENDED, Array

FIRST = 4
"""Elements of an output that are shown."""


@click.command()
@click.argument("bundle")
@input_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each output here, as NAME.npy.",
)
@cores_option
@seed_option
@format_option
def command(
    bundle: str, given: Sequence[str], output: Path | None, cores: int | None, seed: int, form: str
) -> None:
    """Run BUNDLE once and show its outputs."""
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with load(bundle) as model:
        arrays = read_inputs(model, given, seed)
        results = model.run(arrays, cores=cores)
        files = {} if output is None else _save(output, results)
        described = [_described(spec, results[spec.name]) for spec in model.outputs]
    for item in described:
        item |= {"file": files[item["name"]]} if files else {}
    headings = ("output", "type", "min", "max", "mean", "first")
    emit(form, {"outputs": described}, Table(bundle, headings, _rows(described)).lines)


def _described(spec: TensorSpec, array: Array) -> dict[str, Any]:
    numbers = array.astype(np.float64).ravel()
    some = numbers.size > 0
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(array.shape),
        "min": float(numbers.min()) if some else None,
        "max": float(numbers.max()) if some else None,
        "mean": float(numbers.mean()) if some else None,
        "first": numbers[:FIRST].tolist(),
        "elements": numbers.size,
    }


def _rows(described: Sequence[dict[str, Any]]) -> list[Sequence[object]]:
    return [
        (
            item["name"],
            f"{item['dtype']}{item['shape']}",
            *(_short(item[key]) for key in ("min", "max", "mean")),
            " ".join(map(_short, item["first"])) + (" ..." if item["elements"] > FIRST else ""),
        )
        for item in described
    ]


def _short(number: float | None) -> str:
    return "-" if number is None else f"{number:.5g}"


def _save(folder: Path, results: dict[str, Array]) -> dict[str, str]:
    """Write the outputs; the path of each."""
    paths = dict(zip(results, file_names(list(results)), strict=True))
    for name, array in results.items():
        path = folder / paths[name]

        def fill(file: BinaryIO, array: Array = array) -> None:
            np.save(_Stream(file), _standard(array))

        replace_file(path, fill, lambda _: None)
        say(f"wrote {path}")
    return {name: str(folder / path) for name, path in paths.items()}


class _Stream:
    """A file that numpy takes for none: its own way to fill one does not say why it failed."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each output: what no file system takes becomes `_`, and no two are equal."""
    found: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[:200] or "output"
        candidates = chain([stem], (f"{stem}_{number}" for number in count(2)))
        unique = next(name for name in candidates if name.lower() not in found)
        found[unique.lower()] = f"{unique}.npy"
    return list(found.values())


def _standard(array: Array) -> Array:
    """`array` in a type that every numpy loads: one that numpy lacks as its bits."""
    bits = dict(EXTENDED.values()).get(array.dtype.name)
    return array.view(bits) if bits else array
