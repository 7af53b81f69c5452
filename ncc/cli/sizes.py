"""Sizes on the command line: `--dim NAME=8` and `--shape NAME=1x3x224x224`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

Shape = tuple[int | str, ...]
SizeT = TypeVar("SizeT")


def dims(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, int]:
    """Symbols and their sizes."""
    return _by_name(given, _dim, "NAME=SIZE, such as batch=8")


def shapes(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, Shape]:
    """Inputs and their sizes: numbers, or names of symbols, with `x` or `,` between them."""
    return _by_name(given, _shape, "NAME=SIZES, such as image=1x3x224x224")


def _by_name(
    given: Sequence[str], read: Callable[[str], SizeT | None], form: str
) -> dict[str, SizeT]:
    """What stands after the last `=` by what stands before it."""
    found: dict[str, SizeT] = {}
    for text in given:
        name, _, written = text.rpartition("=")
        size = read(written)
        if not name or size is None:
            raise click.BadParameter(f"'{text}' is not {form}")
        if found.setdefault(name, size) != size:
            raise click.BadParameter(f"'{name}' is given twice")
    return found


def _dim(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _shape(text: str) -> Shape | None:
    sizes = re.split(r"," if "," in text else "x", text) if text else []
    named = all(size.strip() for size in sizes)
    return tuple(_size(size.strip()) for size in sizes) if named else None


def _size(text: str) -> int | str:
    number = _dim(text)
    return text if number is None else number
