"""Which phase runs, on stderr: spinners with times on a terminal, else a line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from ncc.cli.interrupts import answer
from ncc.cli.output import say

Show = Callable[[str], None]


@contextmanager
def phases(total: int) -> Iterator[Show]:
    """A function to call with the name of each of `total` phases as it begins."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"))
        with Progress(*columns, _Seconds(), console=console) as display:
            spinner = _Spinner(display)
            yield _interruptible(spinner.begin)
            spinner.end()
    else:
        numbers = count(1)
        yield _interruptible(lambda name: say(f"[{next(numbers)}/{total}] {name}"))


def _interruptible(show: Show) -> Show:
    """The same, and a place to stop at: `interrupts.answer`."""

    def begin(name: str) -> None:
        answer()
        show(name)

    return begin


class _Seconds(ProgressColumn):
    """How long a phase has run, or took."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        return Text(f"{elapsed or 0:.1f} s", style="dim")


class _Spinner:
    """The phase that turns, under those that are done."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._task: TaskID | None = None

    def begin(self, name: str) -> None:
        self.end()
        self._task = self._display.add_task(name, total=1)

    def end(self) -> None:
        if self._task is not None:
            self._display.update(self._task, completed=1)
