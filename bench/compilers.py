"""Compile the networks with ncc and with IREE: `python bench/compilers.py [NAME ...]`.

Prints seconds and the most memory of each in markdown. IREE is of the extra `iree`; its tools are
looked for beside this Python and on the PATH, and their columns are empty without them.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

import onnx
from onnx.tools.update_model_dims import update_inputs_outputs_dims

import cases
from bundles import build
from cases import Case
from networks import NETWORKS
from processes import CommandError, Finished, measured
from report import head, line

IREE_OPTIONS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile the networks with ncc and with IREE.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NETWORKS)}")
    names = parser.parse_args().names or list(NETWORKS)
    say(*head("network", "model MB", "ncc s", "ncc MB", "iree-compile s", "iree-compile MB"))
    with tempfile.TemporaryDirectory(prefix="compilers-", dir=cases.ROOT / "build") as folder:
        for name in names:
            say(row(cases.network(name), Path(folder)))


def row(case: Case, folder: Path) -> str:
    """One network by both compilers; a row of the table."""
    built = build(case.model, folder / "model.neff", dims=case.dims)
    cells = [f"{case.model.stat().st_size / 1e6:.0f}"]
    cells += [f"{built.seconds:.1f}", f"{built.peak_bytes / 1e6:.0f}"]
    try:
        seconds, peak = by_iree(case, folder)
        cells += [f"{seconds:.1f}", f"{peak / 1e6:.0f}"]
    except CommandError as error:
        sys.stderr.write(f"{case.name}, iree: {error}\n")
        cells += ["", ""]
    return line(case.name, *cells)


def by_iree(case: Case, folder: Path) -> tuple[float, int]:
    """Seconds and bytes that importing and compiling take together, and at most."""
    fixed, text = folder / "fixed.onnx", folder / "model.mlir"
    onnx.save(bound(case), fixed)
    output = str(folder / "model.vmfb")
    steps: list[Finished] = [
        measured([tool("iree-import-onnx"), str(fixed), "-o", str(text)]),
        measured([tool("iree-compile"), str(text), "-o", output, *IREE_OPTIONS]),
    ]
    return math.fsum(step.seconds for step in steps), max(step.peak_bytes for step in steps)


def tool(name: str) -> str:
    """Where a program is; CommandError if it is not installed."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise CommandError(f"{name} is not installed")
    return found


def bound(case: Case) -> onnx.ModelProto:
    """The model with its symbols replaced by sizes."""
    model = onnx.load(case.model)

    def sizes(values: list[onnx.ValueInfoProto]) -> dict[str, list[int]]:
        return {
            value.name: [
                case.dims[d.dim_param] if d.dim_param else d.dim_value
                for d in value.type.tensor_type.shape.dim
            ]
            for value in values
        }

    graph = model.graph
    return update_inputs_outputs_dims(model, sizes(list(graph.input)), sizes(list(graph.output)))


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{text}\n" for text in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
