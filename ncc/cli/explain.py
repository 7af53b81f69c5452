"""ncc explain: what an error means, why it is one, and what to do."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import click

from ncc.cli.output import Table, emit, format_option
from ncc.diagnostics import ExitCode, NccError, meant

WIDTH = 88


@dataclass(frozen=True)
class Explanation:
    """An error code: the exit codes that it comes with, and `errors.toml`'s words."""

    code: str
    exits: tuple[int, ...]
    means: str
    why: str
    fix: str

    def data(self) -> dict[str, object]:
        """The explanation for JSON."""
        return {
            "code": self.code,
            "exit_codes": list(self.exits),
            "means": self.means,
            "why": self.why,
            "fix": self.fix,
        }


def explanations() -> dict[str, Explanation]:
    """Every error code, sorted."""
    text = resources.files("ncc.cli").joinpath("errors.toml").read_text(encoding="utf-8")
    found = {
        code: Explanation(
            code,
            tuple(ExitCode[name] for name in entry["exits"]),
            *(" ".join(entry[part].split()) for part in ("means", "why", "fix")),
        )
        for code, entry in tomllib.loads(text).items()
    }
    return dict(sorted(found.items()))


@click.command()
@click.argument("code", required=False)
@format_option
def command(code: str | None, form: str) -> None:
    """Explain the error CODE, the word in brackets after "error"; without it, list all."""
    known = explanations()
    if code is None:
        rows = [(e.code, ", ".join(map(str, e.exits)), e.means) for e in known.values()]
        table = Table("errors", ("code", "exit", "means"), rows)
        emit(form, [e.data() for e in known.values()], table.lines)
    elif code in known:
        emit(form, known[code].data(), lambda: _lines(known[code]))
    else:
        hint = meant(code, known, "ncc explain lists them")
        raise NccError(
            "unknown-code", f"there is no error '{code}'", exit=ExitCode.USAGE, hint=hint
        )


def _lines(found: Explanation) -> Iterator[str]:
    codes = " or ".join(map(str, found.exits))
    yield click.style(f"error[{found.code}]", bold=True) + f", exit code {codes}"
    for title, text in (("means", found.means), ("why", found.why), ("what to do", found.fix)):
        yield ""
        yield click.style(title, bold=True)
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
