"""ncc list-targets: what --target takes."""

from __future__ import annotations

from typing import Any

import click

from ncc.backends.interface import NATIVE, Backend, Target
from ncc.backends.registry import BACKENDS, resolve_all
from ncc.cli.output import Table, emit, format_option
from ncc.diagnostics import NccError


@click.command()
@format_option
def command(form: str) -> None:
    """List the machines that can be compiled for, each better than those before it."""
    native = _native()
    targets = [
        _described(target, backend, native)
        for backend in BACKENDS
        for target in backend.targets.values()
    ]
    rows = [_row(item) for item in targets]
    headings = ("name", "runs here", "f32 lanes", "products of", "needs")
    emit(form, {"native": native, "targets": targets}, Table("targets", headings, rows).lines)


def _native() -> str | None:
    try:
        return resolve_all(NATIVE)[0].name
    except NccError:
        return None


def _described(target: Target, backend: Backend, native: str | None) -> dict[str, Any]:
    missing = set(target.flags) - backend.host()
    return {
        "name": target.name,
        "runs_here": not missing,
        "native": target.name == native,
        "f32_lanes": target.lanes,
        "products": _products(target),
        "missing": sorted(missing),
        "features": list(target.flags),
    }


def _products(target: Target) -> list[str]:
    """The types that the machine multiplies in its own instructions."""
    kinds = {"f32": True, "bf16": target.has_bf16_dot, "i8": target.has_byte_dot}
    return [kind for kind, has in kinds.items() if has]


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    here = "yes, native" if item["native"] else "yes"
    return (
        item["name"],
        here if item["runs_here"] else f"no: lacks {', '.join(item['missing'])}",
        item["f32_lanes"],
        ", ".join(item["products"]),
        " ".join(item["features"]),
    )
