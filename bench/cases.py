"""What is timed: the benchmark networks, the trained models, and any ONNX file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from inputs import seeded_inputs
from messages import Array
from networks import NETWORKS
from tests.models.catalogue import CATALOGUE, Real

ROOT = Path(__file__).resolve().parents[1]
NETWORK_FOLDER = ROOT / "build" / "networks"
TRAINED_FOLDER = Path(os.environ.get("NCC_MODELS") or ROOT.parent / "shared" / "models")


@dataclass(frozen=True)
class Case:
    """A model with its symbols bound, and what it is given."""

    name: str
    group: str
    model: Path
    dims: Mapping[str, int]
    inputs: Mapping[str, Array]


def network(name: str, batch: int = 1) -> Case:
    """One of the benchmark networks on seeded inputs."""
    path = NETWORK_FOLDER / f"{name}.onnx"
    title = name if batch == 1 else f"{name} x{batch}"
    dims = {"batch": batch}
    return Case(title, "networks", path, dims, seeded_inputs(path, dims))


def trained(real: Real) -> Case:
    """A trained model on natural inputs, as the tests run it."""
    return Case(
        name=real.file.split("/")[0],
        group="trained models",
        model=TRAINED_FOLDER / real.file,
        dims=real.dims,
        inputs=real.feed(TRAINED_FOLDER),
    )


def from_file(path: Path, dims: Mapping[str, int]) -> Case:
    """An ONNX file on seeded inputs."""
    return Case(path.stem, "files", path, dims, seeded_inputs(path, dims))


def known() -> dict[str, Real | str]:
    """Every case that has a name: networks first, then trained models where there are any."""
    names: dict[str, Real | str] = {name: name for name in NETWORKS}
    if TRAINED_FOLDER.is_dir():
        names.update((real.file.split("/")[0], real) for real in CATALOGUE)
    return names


def named(name: str, batches: tuple[int, ...] = (1,)) -> Iterator[Case]:
    """The cases of a name: a network once for each batch size."""
    found = known()[name]
    if isinstance(found, Real):
        yield trained(found)
    else:
        yield from (network(found, batch) for batch in batches)
