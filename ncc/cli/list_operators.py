"""ncc list-operators: what a model may be made of."""

from __future__ import annotations

from dataclasses import asdict

import click

from ncc.cli.operators import Operator, operators
from ncc.cli.output import Table, emit, format_option


@click.command()
@format_option
def command(form: str) -> None:
    """List the ONNX operators that can be compiled.

    Versions are the opsets that defined them. An operator that runs on "device or host" runs on
    the host where its types have no code, or where the data decides a size, axis or bound.
    """
    found = operators()
    rows = [_row(item) for item in found]
    table = Table(f"{len(found)} operators", ("operator", "runs on", "versions"), rows)
    emit(form, [asdict(item) for item in found], table.lines)


def _row(item: Operator) -> tuple[str, str, str]:
    name = f"{item.domain}.{item.name}" if item.domain else item.name
    return name, " or ".join(item.runs), ", ".join(map(str, item.versions))
