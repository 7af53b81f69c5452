"""ncc verify: whether every byte of a bundle is what it should be."""

from __future__ import annotations

from typing import Any

import click

from ncc.cli.output import Table, emit, format_option
from ncc.neff.errors import reading
from ncc.neff.format import HEADER_SIZE
from ncc.neff.reader import Bundle, open_bundle
from ncc.runtime.cores import default_cores
from ncc.runtime.cpu import this_host


@click.command()
@click.argument("bundle")
@format_option
def command(bundle: str, form: str) -> None:
    """Check every byte of BUNDLE; exit code 6 or 7 and the reason if something is wrong."""
    with open_bundle(bundle) as opened:
        checks = _checked(opened)
        for item in opened.manifest.variants:
            lacking = this_host().lacks(item)
            note = f"does not run here: {lacking}" if lacking else "runs here"
            checks.append(_check(f"target {item.target}", 0, note))
    rows = [(item["what"], item["bytes"] or "", item["found"]) for item in checks]
    table = Table(f"{bundle} is sound", ("checked", "bytes", "found"), rows)
    emit(form, {"bundle": bundle, "sound": True, "checks": checks}, table.lines)


def _checked(bundle: Bundle) -> list[dict[str, Any]]:
    """What was checked, in order; NccError (integrity) at the first thing that is wrong."""
    bundle.verify(default_cores())
    manifest = bundle.manifest
    programs = sum(len(variant.programs) for variant in manifest.variants)
    checks = [
        _check("header", HEADER_SIZE, "fields, sha256, agrees with the manifest"),
        _check("manifest", bundle.header.manifest_size, "sha256, every field in its limits"),
        _check("layout", 0, f"{len(manifest.sections)} sections, no gaps, zeros between them"),
        _check("programs", 0, f"{programs}: every value made once, before it is read"),
    ]
    for section in manifest.sections:
        if section.kind == "graph":
            _read_graph(bundle, section.name)
        found = "digest, parses" if section.kind == "graph" else "digest"
        checks.append(_check(f"section {section.name}", section.size, found))
    return checks


def _check(what: str, size: int, found: str) -> dict[str, Any]:
    return {"what": what, "bytes": size, "found": found}


def _read_graph(bundle: Bundle, name: str) -> None:
    from ncc.ir.serialize import load

    with reading(bundle.path):
        load(bundle.read(name))
