"""The tuning file: which version of each kernel was fastest, as text that is kept and compared.

    {
      "format": "ncc tuning 1",
      "targets": {
        "x86-64-v4+bf16": {
          "1d0c...": {"kernel": "bf16 3136 x 64 over 64", "rows": 14, "columns": 32, ...},
          ...
        }
      }
    }

Entries are sorted and have a line each, so the same entries are the same bytes, and a difference
of two files is the kernels that differ. docs/cli.md, "Tuning", describes it for users.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ncc.backends.tuning import KEY_LENGTH, Entries, Entry
from ncc.diagnostics import ExitCode, NccError
from ncc.neff.atomic import replace_file

FORMAT = "ncc tuning"
VERSION = 1
MAX_BYTES = 1 << 26
MAX_NUMBER = 1 << 31

Book = Mapping[str, Entries]
"""Entries by target."""


def read(path: Path) -> Book:
    """What the file at `path` holds.

    NccError: "bad-tuning" (usage) if it is no tuning file, "tuning-version" (incompatible) if it
    is one of another version, "file-access" (usage) if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NccError("file-access", f"{path}: {reason}", exit=ExitCode.USAGE) from None
    if len(data) > MAX_BYTES:
        raise _bad(path, f"it is longer than {MAX_BYTES} bytes")
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _bad(path, str(error).lower()) from None
    _check_version(path, found)
    try:
        return {
            _text(target): {_key(key): _entry(value) for key, value in _table(entries).items()}
            for target, entries in _table(found["targets"]).items()
        }
    except (KeyError, ValueError) as error:
        raise _bad(path, str(error.args[0])) from None


def write(path: Path, book: Book) -> None:
    """Put `book` at `path` in one step; NccError as `replace_file`."""

    def fill(file: BinaryIO) -> None:
        file.write(text(book).encode())

    replace_file(path, fill, lambda partial: None)


def text(book: Book) -> str:
    """The text of the file; the same for equal books."""
    targets = ",\n".join(_target(name, book[name]) for name in sorted(book) if book[name])
    inner = f"\n{targets}\n  " if targets else ""
    return f'{{\n  "format": "{FORMAT} {VERSION}",\n  "targets": {{{inner}}}\n}}\n'


def digest(book: Book) -> str:
    """The SHA-256 of the file that `write` makes."""
    return hashlib.sha256(text(book).encode()).hexdigest()


def extended(book: Book, found: Book) -> Book:
    """Both, with what `found` has where both have something."""
    return {
        target: {**book.get(target, {}), **found.get(target, {})} for target in {**book, **found}
    }


def _target(name: str, entries: Entries) -> str:
    lines = ",\n".join(f"      {_line(key, entries[key])}" for key in sorted(entries))
    return f"    {json.dumps(name)}: {{\n{lines}\n    }}"


def _line(key: str, entry: Entry) -> str:
    return f"{json.dumps(key)}: {json.dumps({'kernel': entry.kernel, **entry.choice})}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that stands twice is an error."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return found


def _check_version(path: Path, found: object) -> None:
    named = found.get("format") if isinstance(found, dict) else None
    if not isinstance(named, str) or not named.startswith(f"{FORMAT} "):
        raise _bad(path, f'it does not begin with "format": "{FORMAT} {VERSION}"')
    if named != f"{FORMAT} {VERSION}":
        raise NccError(
            "tuning-version",
            f"{path} is of the format '{named}', this compiler reads '{FORMAT} {VERSION}'",
            exit=ExitCode.INCOMPATIBLE,
            hint="make it anew with -O3 --tuning and another name",
        )


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _key(key: str) -> str:
    if not (len(key) == KEY_LENGTH and set(key) <= set("0123456789abcdef")):
        raise ValueError(f"{key!r} is no digest of a kernel")
    return key


def _entry(value: object) -> Entry:
    fields = _table(value)
    numbers = {name: number for name, number in fields.items() if name != "kernel"}
    for name, number in numbers.items():
        if type(number) is not int or not 0 < number < MAX_NUMBER:
            raise ValueError(f"{name} is {number!r}, needs a number from 1 on")
    return Entry(_text(fields.get("kernel")), numbers)


def _bad(path: Path, reason: str) -> NccError:
    return NccError(
        "bad-tuning",
        f"{path} is no tuning file: {reason}",
        exit=ExitCode.USAGE,
        hint="restore it, or make it anew with -O3 --tuning",
    )
