"""Source locations, user-facing errors, and the exit codes of the command line."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import PurePath


class ExitCode(IntEnum):
    """What the process returns; documented in the README and kept stable."""

    OK = 0
    GATE = 1
    USAGE = 2
    UNSUPPORTED = 3
    INVALID_MODEL = 4
    RESOURCE = 5
    INCOMPATIBLE = 6
    INTEGRITY = 7
    INTERNAL = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Loc:
    """Where a node came from: the model file, the node's name there, and its op type."""

    file: str = ""
    node: str = ""
    op: str = ""

    def __str__(self) -> str:
        named = f"node '{self.node}'" if self.node else "an unnamed node"
        kind = f" ({self.op})" if self.op else ""
        return f"{self.file + ', ' if self.file else ''}{named}{kind}"


Locs = tuple[Loc, ...]


def file_name(path: PurePath) -> str:
    """The name of a file as locations and bundles have it: bytes that are not UTF-8 as escapes."""
    return path.name.encode(errors="backslashreplace").decode()


MAX_LOCS = 128
"""A node that stands for more nodes of the model keeps the first ones."""


def merge_locs(groups: Iterable[Locs]) -> Locs:
    """The locations of `groups`, each once, in first-seen order, at most `MAX_LOCS`."""
    found: dict[Loc, None] = {}
    for group in groups:
        found.update(dict.fromkeys(group))
        if len(found) >= MAX_LOCS:
            break
    return tuple(found)[:MAX_LOCS]


def meant(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """A hint for a name that is none of `names`: one that is close to it, and `otherwise`."""
    close = difflib.get_close_matches(name, names, 1)
    return " ".join([*(f"did you mean '{found}'?" for found in close), otherwise]).strip()


class NccError(Exception):
    """A failure that the user can act on.

    `code` is stable and explained by `ncc explain CODE`; `exit` is the process's exit code;
    `text` is the node as IR text; `operand` is the index of the operand at fault, or `span` the
    columns of `text` at fault, and `label` what is written under them; `during` names the phase.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        exit: ExitCode = ExitCode.INVALID_MODEL,
        locs: Locs = (),
        text: str = "",
        operand: int | None = None,
        span: tuple[int, int] | None = None,
        label: str = "",
        during: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(code, message)  # what pickle calls this with
        self.code = code
        self.message = message
        self.exit = exit
        self.details = Details(locs, text, operand, span, label, during, hint)

    def located(self, **known: object) -> NccError:
        """Fill in details that are still empty (the innermost writer wins)."""
        missing = {k: v for k, v in known.items() if not getattr(self.details, k)}
        self.details = replace(self.details, **missing)  # type: ignore[arg-type]  # names checked by replace
        return self

    def __str__(self) -> str:
        return render(self)


def refuse_without_memory(error: OSError) -> None:
    """NccError `out-of-memory` if that is why the system refused, whatever it was asked for."""
    if error.errno == errno.ENOMEM:
        raise NccError("out-of-memory", "no memory left", exit=ExitCode.RESOURCE) from None


@dataclass(frozen=True)
class Details:
    """The optional parts of an error, laid out by `render`."""

    locs: Locs = ()
    text: str = ""
    operand: int | None = None
    span: tuple[int, int] | None = None
    label: str = ""
    during: str = ""
    hint: str = field(default="")


def render(error: NccError) -> str:
    """Lay an error out: what, where, the node with the operand underlined, phase, hint."""
    d = error.details
    lines = [f"error[{error.code}]: {error.message}"]
    lines += [f"  in {loc}" for loc in d.locs]
    if d.text:
        lines.append(f"    {d.text}")
        span = d.span or _operand_span(d.text, d.operand)
        if span and (d.label or d.span):
            lines.append(f"    {' ' * span[0]}{'^' * (span[1] - span[0])} {d.label}".rstrip())
        elif d.label:
            lines.append(f"    {d.label}")
    if d.during:
        lines.append(f"  during: {d.during}")
    if d.hint:
        lines.append(f"  hint: {d.hint}")
    return "\n".join(lines)


_OPERAND = re.compile(r'(?:"(?:\\.|[^"\\])*"|\[[^\]]*\]|<[^>]*>+|[^",\[\]()<>\s])+')


def _operand_span(text: str, operand: int | None) -> tuple[int, int] | None:
    """Columns of the operand-th item between the first pair of parentheses of `text`."""
    start = text.find("(")
    if operand is None or start < 0:
        return None
    items = list(_OPERAND.finditer(text, start + 1))[: operand + 1]
    return items[operand].span() if operand < len(items) else None
