"""The two ways in which a bundle can be refused, and where it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

from ncc.diagnostics import ExitCode, NccError, refuse_without_memory

AGAIN = "copy the file again from where it was compiled, or compile the model again"


def damaged(message: str, hint: str = AGAIN) -> NccError:
    """The bytes are not what a writer wrote: exit 7."""
    return NccError("damaged-bundle", message, exit=ExitCode.INTEGRITY, hint=hint)


def incompatible(message: str, hint: str) -> NccError:
    """The bundle may be sound, but this reader or this machine cannot take it: exit 6."""
    return NccError("incompatible-bundle", message, exit=ExitCode.INCOMPATIBLE, hint=hint)


def require(condition: bool, message: str) -> None:
    """Raise `damaged(message)` unless `condition` holds."""
    if not condition:
        raise damaged(message)


@contextmanager
def reading(path: str | PathLike[str]) -> Iterator[None]:
    """Name the file in every error that leaves the block; one of the system becomes an NccError."""
    try:
        yield
    except NccError as error:
        raise error.located(during=f"reading {fspath(path)}") from None
    except OSError as error:
        refuse_without_memory(error)
        reason = (error.strerror or str(error)).lower()
        raise NccError(
            "unreadable-bundle", f"cannot read {fspath(path)}: {reason}", exit=ExitCode.USAGE
        ) from None
