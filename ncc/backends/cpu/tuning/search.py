"""Looking for faster schedules on this machine, until the time for it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.builder import Call
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tuning.candidates import STAGES, Variants
from ncc.backends.cpu.tuning.schedule import Schedule, present, scheduled
from ncc.backends.cpu.tuning.subject import Subject
from ncc.backends.cpu.tuning.trial import times
from ncc.backends.tuning import Timer

SECONDS = 0.02
"""For which a version is measured."""
FIRST_COST = 0.06
"""Seconds to compile and measure a version, before any has been."""
DUEL = 4
"""How much longer the last two are measured."""
MARGIN = 0.98
"""Share of the cost model's time at most that a version must take to be preferred."""


@dataclass(frozen=True, slots=True)
class Task:
    """A kernel to find a schedule for, one of its calls, and the arithmetic of all.

    `variants` has it for each width of panels, that of the cost model first.
    """

    key: str
    call: Call
    variants: Variants
    flops: int

    @property
    def subject(self) -> Subject:
        """The kernel as the cost model has it."""
        return next(iter(self.variants.values()))


class Search:
    """Shares time among kernels by their arithmetic; what one leaves goes to those after it."""

    def __init__(self, target: Target, timer: Timer, budget: float) -> None:
        self._target = target
        self._timer = timer
        self._end = timer.now() + budget
        self._cost = FIRST_COST

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[str, Schedule]]:
        """The key and the schedule of each kernel that there was time for."""
        left = sum(task.flops for task in tasks)
        for task in sorted(tasks, key=lambda task: -task.flops):
            now = self._timer.now()
            share = max(0.0, self._end - now) * task.flops / max(left, 1)
            left -= task.flops
            found = self._best(task, now + share)
            if found is not None:
                yield task.key, found

    def _best(self, task: Task, deadline: float) -> Schedule | None:
        """The fastest schedule found before `deadline`; None if there was no time to look."""
        first = best = present(task.subject, self._target)
        looked = False
        alone = True
        for stage in STAGES:
            others = stage(task.variants, best, self._target)
            alone = alone and not others
            fitting = int((deadline - self._timer.now()) / self._cost) - 1
            if others and fitting > 0:
                looked = True
                best = self._fastest(task, [best, *others[:fitting]], 1)
        if best != first and self._fastest(task, [first, best], DUEL) == first:
            best = first
        return best if looked or alone else None

    def _fastest(self, task: Task, schedules: Sequence[Schedule], longer: int) -> Schedule:
        """The fastest of them; the first unless another is clearly faster."""
        begin = self._timer.now()
        made = {
            schedule: kernel
            for schedule in schedules
            if (kernel := scheduled(task.variants[schedule.columns], schedule, self._target))
        }
        seconds = longer * SECONDS * len(made)
        measured = times(task.call, list(made.values()), self._target, self._timer, seconds)
        if longer == 1:
            self._cost = (self._cost + (self._timer.now() - begin) / len(made)) / 2
        found = {
            schedule: time
            for schedule, time in zip(made, measured, strict=True)
            if time is not None
        }
        first = schedules[0]
        if not found:
            return first
        best = min(found, key=lambda schedule: found[schedule])
        return best if first not in found or found[best] < MARGIN * found[first] else first
