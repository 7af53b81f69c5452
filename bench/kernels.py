"""Hold the kernels of networks against the machine: `python bench/kernels.py [NAME ...]`.

Each network is compiled and profiled by the command line, which measures the peak of each kind of
product and a copy of memory in the same run. Prints, in markdown, every distinct contraction with
its share of the peak, what else takes time with its share of the bandwidth, and for each network
the time that the machine cannot beat.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cases
from bundles import NCC, Built, build
from ncc.backends.cpu.loopir.loops import Contract, walk
from ncc.backends.cpu.loopir.text.parser import parse
from ncc.bundle import kernel_text
from ncc.neff.reader import open_bundle
from networks import NETWORKS
from processes import measured
from report import geometric_mean, head, line, machine

FOLDER = cases.ROOT / "build" / "bench"
COPY = "copy"
LARGE = 50e6
"""Operations of one call from which on a contraction should reach the peak."""
LEAST_SHARE = 0.005
"""Of the time of a network, for a kernel that is no contraction to be listed."""

Kernel = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """The profile of one network, in the plain units of `ncc profile`."""

    name: str
    cores: int
    seconds: float
    peaks: Mapping[str, float]
    contractions: Sequence[Kernel]
    others: Sequence[Kernel]
    weights_bytes: int

    @property
    def kernels(self) -> list[Kernel]:
        return [*self.contractions, *self.others]

    @property
    def products_limit(self) -> float:
        """Seconds that the products of the contractions take at their peaks."""
        return math.fsum(k["flops"] / self.peaks[k["limit"]] for k in self.contractions)

    @property
    def weights_limit(self) -> float:
        """Seconds that reading the weights once takes, at the rate of a copy."""
        return self.weights_bytes / self.peaks[COPY]

    @property
    def kernels_limit(self) -> float:
        """Seconds if each kernel took what its arithmetic or its bytes need, whichever is more."""
        return math.fsum(
            max(k["flops"] / self.peaks[k["limit"]], k["bytes"] / self.peaks[COPY])
            for k in self.kernels
        )


def main() -> None:
    arguments = parser().parse_args()
    found = [
        profiled(name, count, arguments.seconds, tuple(arguments.compile))
        for name in arguments.names or NETWORKS
        for count in arguments.cores
    ]
    sys.stdout.write("\n".join(markdown(found)) + "\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Hold the kernels of networks against the machine.")
    made.add_argument("names", nargs="*", help=f"of {', '.join(NETWORKS)}")
    made.add_argument("--cores", type=int, nargs="+", default=[1], help="such as 1 2")
    made.add_argument("--seconds", type=float, default=3.0, help="to profile each for")
    made.add_argument(
        "--compile", nargs="+", default=[], metavar="ARG", help="of ncc compile: --auto-cast=none"
    )
    return made


def profiled(name: str, cores: int, seconds: float, options: Sequence[str]) -> Measured:
    """Compile a network and profile it on so many cores."""
    case = cases.network(name)
    built = build(case.model, FOLDER / f"{name}.neff", dims=case.dims, options=options)
    inputs = FOLDER / f"{name}.npz"
    np.savez(inputs, allow_pickle=False, **case.inputs)
    command = [*NCC, "profile", str(built.path), "--input", str(inputs), "--cores", str(cores)]
    command += ["--seconds", str(seconds), "--format", "json"]
    data = json.loads(measured(command).output)
    contracting = contractions(built.path)
    return Measured(
        name=name,
        cores=data["cores"],
        seconds=data["seconds"],
        peaks=data["peaks"],
        contractions=[k for k in data["kernels"] if k["name"] in contracting],
        others=[k for k in data["kernels"] if k["name"] not in contracting],
        weights_bytes=_weights(built),
    )


def _weights(built: Built) -> int:
    return int(built.figures["weights_bytes"])


def contractions(path: Path) -> set[str]:
    """The names of the kernels of a bundle that sum products."""
    with open_bundle(str(path)) as bundle:
        variant = bundle.manifest.variants[0]
        loops = parse(bundle.read(kernel_text(variant)).decode())
    return {
        row.name
        for row, kernel in zip(variant.kernels, loops, strict=True)
        if any(isinstance(stmt, Contract) for stmt in walk(kernel.body))
    }


def markdown(found: Sequence[Measured]) -> Iterator[str]:
    """All tables."""
    yield f"{machine()}."
    yield ""
    yield from summary(found)
    for network in found:
        yield ""
        yield f"### {network.name}, {network.cores} core{'s' * (network.cores > 1)}"
        yield ""
        yield from contraction_table(network)
        yield ""
        yield from other_table(network)


def summary(found: Sequence[Measured]) -> Iterator[str]:
    """For each network: its time, what it cannot beat, and how near its contractions come."""
    yield from head(
        *("network", "cores", "ms", "products at peak ms", "share", "weights at copy ms"),
        *("kernels at their limits ms", "contractions ms", "other kernels ms"),
        *("large contractions of peak", "peak GFLOP/s", "copy GB/s"),
    )
    for network in found:
        large = [k["of_peak"] for k in network.contractions if k["flops"] / k["calls"] >= LARGE]
        yield line(
            network.name,
            str(network.cores),
            f"{1e3 * network.seconds:.2f}",
            f"{1e3 * network.products_limit:.2f}",
            f"{network.products_limit / network.seconds:.0%}",
            f"{1e3 * network.weights_limit:.2f}",
            f"{1e3 * network.kernels_limit:.2f}",
            _milliseconds(network.contractions),
            _milliseconds(network.others),
            f"{geometric_mean(large):.0%}",
            f"{max(network.peaks[k['limit']] for k in network.contractions) / 1e9:.0f}",
            f"{network.peaks[COPY] / 1e9:.1f}",
        )


def contraction_table(network: Measured) -> Iterator[str]:
    """Every distinct contraction, the longest first."""
    yield from head(
        *("kernel", "calls", "MFLOP a call", "us", "of the run", "GFLOP/s", "of peak", "GB/s"),
        *("of copy", "first node"),
    )
    for kernel in network.contractions:
        yield line(
            kernel["name"],
            str(kernel["calls"]),
            f"{kernel['flops'] / kernel['calls'] / 1e6:.1f}",
            *_time(kernel),
            f"{kernel['flops_per_second'] / 1e9:.0f}",
            f"{kernel['of_peak']:.0%}",
            *_memory(kernel),
        )


def other_table(network: Measured) -> Iterator[str]:
    """The kernels that are no contractions and take some time."""
    yield from head("kernel", "calls", "us", "of the run", "GB/s", "of copy", "first node")
    for kernel in network.others:
        if kernel["share"] >= LEAST_SHARE:
            yield line(kernel["name"], str(kernel["calls"]), *_time(kernel), *_memory(kernel))


def _time(kernel: Kernel) -> tuple[str, str]:
    return f"{1e6 * (kernel['seconds'] + kernel['waiting']):.0f}", f"{kernel['share']:.1%}"


def _memory(kernel: Kernel) -> tuple[str, str, str]:
    node = kernel["sources"][0].partition(", ")[2] if kernel["sources"] else ""
    return f"{kernel['bytes_per_second'] / 1e9:.1f}", f"{kernel['of_copy']:.0%}", node


def _milliseconds(kernels: Sequence[Kernel]) -> str:
    return f"{1e3 * sum(k['seconds'] + k['waiting'] for k in kernels):.2f}"


if __name__ == "__main__":
    main()
