"""Every way to fail, as an error on stderr with an exit code; never a traceback."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import os
import platform
import shlex
import signal
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ncc import __version__
from ncc.cli.output import say
from ncc.cli.supervise import EndedError
from ncc.diagnostics import ExitCode, NccError, render
from ncc.neff.atomic import FULL

DEBUG = "NCC_DEBUG"
"""Set to anything, the traceback of an internal error is printed too."""

PACKAGES = ("click", "lark", "llvmlite", "ml_dtypes", "msgpack", "numpy", "onnx", "rich")


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say on stderr what went wrong with `ncc ARGUMENTS`; the exit code."""
    known = _known(error) or _internal(error, arguments)
    say(render(known))
    return known.exit


def _known(error: BaseException) -> NccError | None:
    """The failure in the form of the product's own errors; None for a bug."""
    match error:
        case NccError():
            return error
        case click.ClickException():
            return _usage(error)
        case KeyboardInterrupt() | EndedError(number=signal.SIGINT | signal.SIGTERM):
            return NccError(
                "interrupted",
                "interrupted; what was not finished has been removed",
                exit=ExitCode.INTERRUPTED,
            )
        case MemoryError():
            return _no_memory(str(error))
        case EndedError(number=signal.SIGKILL):
            return _no_memory("something killed the process, as the system does then")
        case OSError():
            return _system(error)
        case _:
            return None


def _usage(error: click.ClickException) -> NccError:
    text = error.format_message().strip().rstrip(".").replace("\n", " ")
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "ncc"
    return NccError(
        "usage",
        text[:1].lower() + text[1:],
        exit=ExitCode.USAGE,
        hint=f"{command} --help shows what it takes",
    )


def _no_memory(reason: str) -> NccError:
    return NccError(
        "out-of-memory",
        f"no memory left{': ' + reason if reason else ''}",
        exit=ExitCode.RESOURCE,
    )


def _system(error: OSError) -> NccError:
    """What the system refused, where no layer below knew better."""
    reason = (error.strerror or str(error)).lower()
    place = f"{error.filename}: " if error.filename is not None else ""
    if error.errno == errno.ENOMEM:
        return _no_memory(reason)
    if error.errno in FULL:
        return NccError("disk-full", f"cannot write: {place}{reason}", exit=ExitCode.RESOURCE)
    return NccError("file-access", f"{place}{reason}", exit=ExitCode.USAGE)


def _internal(error: BaseException, arguments: Sequence[str]) -> NccError:
    """A bug: keep what is needed to find it in a file, and name the file."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG):
        say(trace)
    return NccError(
        "internal",
        f"ncc failed where it should not ({_name(error)}); this is a bug in ncc, not in "
        f"what you gave it. {_saved(trace, arguments)}",
        exit=ExitCode.INTERNAL,
        hint=f"report it with that file and, if you may, the model; {DEBUG}=1 shows the traceback",
    )


def _name(error: BaseException) -> str:
    """The kind of error, or the signal that ended a process."""
    return str(error).splitlines()[0] if isinstance(error, EndedError) else type(error).__name__


def _saved(trace: str, arguments: Sequence[str]) -> str:
    """Write the report; the same bug gives the same name."""
    digest = hashlib.sha256(trace.encode(errors="backslashreplace")).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"ncc-internal-error-{digest}.txt"
    text = "\n".join([*_circumstances(arguments), "", trace])
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as reason:
        return f"No report could be saved: {reason}"
    return f"A report is in {path}"


def _circumstances(arguments: Sequence[str]) -> Iterator[str]:
    yield f"command: {shlex.join(['ncc', *arguments])}"
    yield f"ncc: {__version__}"
    yield f"python: {platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield f"{package}: {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{package}: absent"
