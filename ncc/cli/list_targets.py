"""ncc list-targets: what --target takes."""

from __future__ import annotations

from typing import Any

import click

from ncc.backends.cpu.target import NATIVE, TARGETS, host_flags, resolve
from ncc.cli.output import Table, emit, format_option
from ncc.diagnostics import NccError


@click.command()
@format_option
def command(form: str) -> None:
    """List the machines that can be compiled for, each better than those before it."""
    native, host = _native(), host_flags()
    targets: list[dict[str, Any]] = [
        {
            "name": target.name,
            "runs_here": host.issuperset(target.flags),
            "native": target.name == native,
            "f32_lanes": target.lanes,
            "bf16_products": target.has_bf16_dot,
            "missing": sorted(set(target.flags) - host),
            "features": list(target.flags),
        }
        for target in TARGETS.values()
    ]
    rows = [_row(item) for item in targets]
    headings = ("name", "runs here", "f32 lanes", "products of", "needs")
    emit(form, {"native": native, "targets": targets}, Table("targets", headings, rows).lines)


def _native() -> str | None:
    try:
        return resolve(NATIVE).name
    except NccError:
        return None


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    here = "yes, native" if item["native"] else "yes"
    return (
        item["name"],
        here if item["runs_here"] else f"no: lacks {', '.join(item['missing'])}",
        item["f32_lanes"],
        "f32, bf16" if item["bf16_products"] else "f32",
        " ".join(item["features"]),
    )
