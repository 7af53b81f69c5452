"""How the free choices of one compilation are made, and what is remembered of them."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType

from ncc.backends.interface import Target
from ncc.backends.tuning import Tuning
from ncc.diagnostics import ExitCode, NccError
from ncc.neff.atomic import check_target
from ncc.options import Level, Options
from ncc.tuning.book import Book, extended, read, write
from ncc.tuning.timer import IsolatedTimer


def check_choices(options: Options) -> None:
    """Refuse options on tuning that contradict each other, and files that cannot be used.

    NccError (usage), and as `ncc.tuning.book.read`.
    """
    if options.strict and not options.tuning:
        raise NccError("usage", "--strict needs a tuning file", exit=ExitCode.USAGE)
    if not 0 <= options.tuning_budget < math.inf:
        message = f"the tuning budget is {options.tuning_budget} seconds"
        raise NccError("usage", message, exit=ExitCode.USAGE)
    if options.tuning and options.level is Level.O3:
        check_target(Path(options.tuning))
    _book(options)


class Choices:
    """Measuring, if it was asked for, ends with the context; `targets` share its time."""

    def __init__(self, options: Options, targets: int) -> None:
        self._options = options
        self._book = _book(options)
        self._timer = IsolatedTimer() if options.level is Level.O3 else None
        self._budget = options.tuning_budget / targets

    def __enter__(self) -> Choices:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.stop()

    def tuning(self, target: Target) -> Tuning:
        """What the backend is to do for `target`."""
        return Tuning(
            level=self._options.level,
            entries=self._book.get(target.name, {}) if self._options.tuning else None,
            strict=self._options.strict,
            timer=self._timer,
            budget=self._budget,
        )

    def keep(self, found: Book) -> None:
        """Write what was measured to the tuning file, if there is one to extend."""
        if self._timer is not None and self._options.tuning:
            write(Path(self._options.tuning), extended(self._book, found))


def _book(options: Options) -> Book:
    """What the tuning file holds; only measuring makes one that is not there yet."""
    path = Path(options.tuning)
    if not options.tuning or (options.level is Level.O3 and not path.exists()):
        return {}
    return read(path)
