"""The commands by name, each imported when it is used."""

from __future__ import annotations

import importlib

import click

from ncc import __version__
from ncc.cli.interrupts import held
from ncc.diagnostics import ExitCode, NccError, meant

COMMANDS = {
    "compile": "Compile an ONNX model into a bundle.",
    "run": "Run a bundle once and show its outputs.",
    "bench": "Measure how fast a bundle runs on this machine.",
    "profile": "Show where the time of a run goes.",
    "inspect": "Show what is in a bundle.",
    "disasm": "Show the loops and the machine code of kernels.",
    "verify": "Check every byte of a bundle.",
    "opt": "Run passes on the text of a graph.",
    "list-operators": "List the ONNX operators that can be compiled.",
    "list-targets": "List the machines that can be compiled for.",
    "explain": "Explain an error by its code.",
}
"""What `ncc --help` says of each, so that it imports none of them."""


class Commands(click.Group):
    """A group whose commands are files of this package, `command` in each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with held():
            module = importlib.import_module(f"ncc.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            hint = meant(name, COMMANDS, "ncc --help shows what it takes")
            raise NccError("usage", f"no such command '{name}'", exit=ExitCode.USAGE, hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 gate or accuracy failed, 2 usage, 3 unsupported, 4 invalid model, "
    "5 resource limit, 6 incompatible bundle or host, 7 integrity, 70 internal error, "
    "130 interrupted.",
)
@click.version_option(__version__, message="ncc %(version)s")
def group() -> None:
    """Compile a deep-learning model ahead of time into one file, and run that file."""
