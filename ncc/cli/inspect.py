"""ncc inspect: what a bundle is, without running it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ncc.cli.output import Table, emit, format_option, quantity, sheet
from ncc.cli.summary import facts, figures, host_table
from ncc.neff.format import MAJOR, TensorSpec, Variant
from ncc.neff.reader import Bundle, open_bundle
from ncc.runtime.cpu import this_host

SHOWN = 2
"""Source nodes of a kernel that the text names."""


@click.command()
@click.argument("bundle")
@format_option
def command(bundle: str, form: str) -> None:
    """Show what is in BUNDLE: signature, targets, work, memory, sections, kernels."""
    with open_bundle(bundle) as opened:
        data = _described(opened)
        emit(form, data, lambda: _lines(opened, data))


def _described(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle": bundle.path,
        "format": f"{MAJOR}.{bundle.header.minor}",
        **figures(bundle),
        "inputs": [spec._asdict() for spec in manifest.inputs],
        "outputs": [spec._asdict() for spec in manifest.outputs],
        "variants": [_variant(variant) for variant in manifest.variants],
        "sections": [
            {
                "name": section.name,
                "kind": section.kind,
                "offset": bundle.offset(section),
                "bytes": section.size,
                "digest": section.digest.hex(),
            }
            for section in manifest.sections
        ],
    }


def _variant(variant: Variant) -> dict[str, Any]:
    lacking = this_host().lacks(variant)
    return {
        "target": variant.target,
        "features": list(variant.features),
        "runs_here": not lacking,
        "reason": lacking,
        "programs": [
            {
                "dims": program.dims,
                "arena_bytes": program.arena_bytes,
                "device_segments": sum(s.kind == "device" for s in program.segments),
                "host_segments": sum(s.kind == "host" for s in program.segments),
            }
            for program in variant.programs
        ],
        "kernels": [kernel._asdict() for kernel in variant.kernels],
    }


def _lines(bundle: Bundle, data: dict[str, Any]) -> Iterator[str]:
    sections = [(s["name"], s["kind"], s["bytes"], s["digest"][:16]) for s in data["sections"]]
    return sheet(
        _head(data),
        _signature(bundle.manifest.inputs, bundle.manifest.outputs),
        _targets(data["variants"]),
        host_table(data),
        Table("sections", ("name", "kind", "bytes", "digest begins"), sections),
        *(_kernels(variant, data["source"]) for variant in data["variants"]),
    )


def _head(data: dict[str, Any]) -> Table:
    options = (f"{name}={json.dumps(value)}" for name, value in data["options"].items())
    rows = [
        ("model", data["source"]),
        ("made by", data["producer"]),
        ("format", data["format"]),
        ("uuid", data["uuid"]),
        ("options", " ".join(options)),
        *facts(data),
    ]
    return Table(data["bundle"], (), rows)


def _signature(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Table:
    rows = [
        (role, spec.name, spec.dtype, list(spec.shape))
        for role, specs in (("input", inputs), ("output", outputs))
        for spec in specs
    ]
    return Table("signature", ("", "name", "type", "shape"), rows)


def _targets(variants: list[dict[str, Any]]) -> Table:
    rows = [
        (v["target"], "yes" if v["runs_here"] else f"no: {v['reason']}", " ".join(v["features"]))
        for v in variants
    ]
    return Table("targets, best first", ("target", "runs here", "needs"), rows)


def _kernels(variant: dict[str, Any], source: str) -> Table:
    rows = [
        (
            kernel["name"],
            kernel["calls"],
            quantity(kernel["flops"], "FLOP"),
            quantity(kernel["bytes"], "B"),
            quantity(kernel["nbytes"], "B"),
            _sources(kernel["sources"], source),
        )
        for kernel in variant["kernels"]
    ]
    headings = ("name", "calls", "work", "memory", "code", "source nodes")
    return Table(f"kernels for {variant['target']}", headings, rows)


def _sources(sources: Sequence[str], file: str) -> str:
    """The first nodes that a kernel does part of, without the name of their file."""
    shown = [source.removeprefix(f"{file}, ") for source in sources[:SHOWN]]
    more = [f"and {len(sources) - SHOWN} more"] if len(sources) > SHOWN else []
    return ", ".join([*shown, *more])
