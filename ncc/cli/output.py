"""What commands print: data on stdout as text or JSON, everything else on stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., object])

PREFIXES = ("", "k", "M", "G", "T", "P")


def format_option(command: CommandT) -> CommandT:
    """`--format text|json`, as the parameter `form`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How to print the result.",
    )(command)


def say(text: str) -> None:
    """Print a line on stderr; nobody reading it is no reason to stop."""
    with suppress(OSError):
        click.echo(_visible(text, keep="\n\t"), err=True)


def emit(form: str, data: object, text: Callable[[], Iterable[str]]) -> None:
    """Print `data` as JSON, or the lines of `text`, on stdout.

    JSON has exact numbers in plain units (bytes, seconds); those that it lacks (NaN) are null.
    """
    if form == "json":
        click.echo(json.dumps(_plain(data), indent=2, allow_nan=False))
        return
    for line in text():
        click.echo(line)


@dataclass(frozen=True)
class Table:
    """Rows under a title and headings; cells that are numbers go to the right.

    Without headings it is a list of facts, a name and what holds.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[object]]

    def lines(self) -> Iterator[str]:
        """The table as aligned text."""
        cells = [[_visible(str(cell)) for cell in row] for row in self.rows]
        head = [list(self.headings)] if self.headings else []
        widths = [max(map(len, column)) for column in zip(*head, *cells, strict=True)]
        yield click.style(_visible(self.title), bold=True)
        for titles in head:
            padded = map(str.ljust, titles, widths)
            yield click.style("  " + "  ".join(padded).rstrip(), dim=True)
        for row, texts in zip(self.rows, cells, strict=True):
            yield "  " + "  ".join(map(_aligned, row, texts, widths)).rstrip()


def sheet(*tables: Table | None) -> Iterator[str]:
    """Several tables, with an empty line between two of them."""
    for index, table in enumerate(filter(None, tables)):
        if index:
            yield ""
        yield from table.lines()


def _aligned(cell: object, text: str, width: int) -> str:
    return text.rjust(width) if isinstance(cell, int | float) else text.ljust(width)


def quantity(number: object, unit: str) -> str:
    """`64808, "B"` as `64.8 kB`; prefixes are powers of 1000."""
    if not isinstance(number, int | float):
        return "unknown"
    scaled, power = float(number), 0
    while abs(scaled) >= 999.5 and power < len(PREFIXES) - 1:
        scaled, power = scaled / 1000, power + 1
    return f"{scaled:.3g} {PREFIXES[power]}{unit}"


def share(part: object, whole: object) -> str:
    """A part of a whole in percent; all of nothing is everything."""
    if not isinstance(part, int | float) or not isinstance(whole, int | float):
        return "unknown"
    return f"{100 * part / whole:.1f} %" if whole else "100.0 %"


def _visible(text: str, keep: str = "") -> str:
    """`text` with what a terminal would obey, or cannot show, written as an escape."""
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def _plain(data: Any) -> Any:
    """`data` with what JSON lacks replaced."""
    match data:
        case float():
            return data if math.isfinite(data) else None
        case dict():
            return {key: _plain(value) for key, value in data.items()}
        case list() | tuple():
            return [_plain(value) for value in data]
        case _:
            return data
