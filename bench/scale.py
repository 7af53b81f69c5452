"""How the compiler bears size: `python bench/scale.py [--nodes N ...] [--gigabytes G]`.

Compiles, with the command line, graphs of many small nodes and a model whose weights lie in a
file of gigabytes. Prints time and the most memory in markdown; what it writes it deletes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bundles import build
from cases import ROOT
from graphs import GRAPHS, write_large
from processes import CommandError

NODES = (5_000, 10_000, 20_000, 50_000)
GIGABYTES = 3.0
SPARE = 4 << 30
"""Bytes of the disk that are left alone."""


def main() -> None:
    arguments = parser().parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=ROOT / "build") as name:
        folder = Path(name)
        say("| graph | nodes | compile s | ms per node | peak MB | bundle MB |")
        say("| --- | ---: | ---: | ---: | ---: | ---: |")
        for kind in arguments.graph or GRAPHS:
            for count in arguments.nodes:
                say(many_nodes(folder, kind, count))
        if arguments.gigabytes:
            say("")
            say(large(folder, arguments.gigabytes))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="How the compiler bears size.")
    made.add_argument("--nodes", type=int, nargs="*", default=NODES)
    made.add_argument("--graph", action="append", choices=list(GRAPHS), help="may repeat")
    made.add_argument(
        "--gigabytes",
        type=float,
        default=GIGABYTES,
        help="of external weights; 0 for no such model",
    )
    return made


def many_nodes(folder: Path, kind: str, nodes: int) -> str:
    """Compile a graph of small nodes; a row of the table."""
    model = folder / f"{kind}.onnx"
    model.write_bytes(GRAPHS[kind](nodes).SerializeToString())
    try:
        built = build(model, folder / "model.neff", dims={"batch": 1})
    except CommandError as error:
        return f"| {kind} | {nodes} | failed: {error} |"
    cells = [
        f"{built.seconds:.1f}",
        f"{1000 * built.seconds / nodes:.2f}",
        f"{built.peak_bytes / 1e6:.0f}",
        f"{built.nbytes / 1e6:.1f}",
    ]
    return f"| {kind} | {nodes} | {' | '.join(cells)} |"


def large(folder: Path, gigabytes: float) -> str:
    """Compile a model with external weights of that size; a sentence with the figures."""
    nbytes = int(gigabytes * 1e9)
    room = shutil.disk_usage(folder).free
    if room < 2 * nbytes + SPARE:
        return f"not enough disk for {gigabytes:g} GB of weights: {room / 1e9:.0f} GB are free"
    model = write_large(folder, nbytes)
    weights = (folder / "large.weights").stat().st_size
    try:
        built = build(model, folder / "large.neff", dims={"batch": 1})
    except CommandError as error:
        return f"external weights of {weights / 1e9:.2f} GB: failed: {error}"
    return (
        f"external weights of {weights / 1e9:.2f} GB: compiled in {built.seconds:.0f} s to "
        f"{built.nbytes / 1e9:.2f} GB; peak memory {built.own_bytes / 1e9:.2f} GB, "
        f"with the pages of mapped files {built.peak_bytes / 1e9:.2f} GB"
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
