"""The process around a command: signals, failures, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

import click

from ncc.cli.failures import report
from ncc.cli.group import group
from ncc.cli.interrupts import answer, hold, install, listen
from ncc.cli.supervise import EndedError, supervised
from ncc.diagnostics import ExitCode


def main() -> NoReturn:
    """Run the command of this process and exit."""
    install()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have what it cannot encode
    sys.exit(_begin(sys.argv[1:]))


def _begin(arguments: Sequence[str]) -> int:
    """The exit code of `ncc ARGUMENTS`, of which a compilation has a process of its own."""
    if arguments[:1] != ["compile"]:
        return _finished(arguments)
    try:
        return supervised(lambda: _finished(arguments))
    except (EndedError, MemoryError) as error:
        return report(error, arguments)


def _finished(arguments: Sequence[str]) -> int:
    """The exit code of `run`, with all output written; nothing is heard from then on."""
    code = run(arguments)
    _finish_output()
    hold()
    return code


def run(arguments: Sequence[str]) -> int:
    """The exit code of `ncc ARGUMENTS`; what went wrong is on stderr.

    A reader that closes its end of our output early has what it wanted: that is no failure.
    """
    try:
        listen()
        with group.make_context("ncc", list(arguments)) as context:
            group.invoke(context)
        answer()
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        return ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:
        return report(error, arguments)
    return ExitCode.OK


def _finish_output() -> None:
    """Write what is left for stdout here, not at exit, where a failure would be a traceback."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
