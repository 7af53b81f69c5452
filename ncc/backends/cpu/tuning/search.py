"""Looking for faster schedules on this machine, until the time for it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import Call
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
DUEL_SECONDS = 0.08
"""The same for the last two."""
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
        """The fastest schedule found before `deadline`; None if nothing could be measured."""
        first = best = present(task.subject, self._target)
        known: dict[Schedule, float] = {}
        alone = True
        for stage in STAGES:
            others = stage(task.variants, best, self._target)
            alone = alone and not others
            fitting = int((deadline - self._timer.now()) / self._cost) - 1
            if others and fitting > 0:
                found = self._compared(task, [best, *others[:fitting]])
                best = _clearly_fastest(best, found)
                known |= found
        if best != first:
            best = _clearly_fastest(first, self._times(task, [first, best], DUEL_SECONDS))
        return best if known or alone else None

    def _compared(self, task: Task, schedules: Sequence[Schedule]) -> dict[Schedule, float]:
        """The times of some schedules; learns what it takes to find one."""
        begin = self._timer.now()
        found = self._times(task, schedules, SECONDS)
        self._cost = (self._cost + (self._timer.now() - begin) / len(schedules)) / 2
        return found

    def _times(
        self, task: Task, schedules: Sequence[Schedule], seconds: float
    ) -> dict[Schedule, float]:
        """How long the kernel takes with each schedule that does not fail."""
        kernels = [
            scheduled(task.variants[schedule.columns], schedule, self._target)
            for schedule in schedules
        ]
        made = [kernel for kernel in kernels if kernel is not None]
        assert len(made) == len(kernels), "only what a kernel can have is tried"
        measured = times(task.call, made, self._target, self._timer, seconds * len(made))
        return {
            schedule: time
            for schedule, time in zip(schedules, measured, strict=True)
            if time is not None
        }


def _clearly_fastest(first: Schedule, found: Mapping[Schedule, float]) -> Schedule:
    """The fastest schedule; the first unless another is faster by more than chance."""
    best = min(found, key=lambda schedule: found[schedule], default=first)
    return first if first in found and found[best] > MARGIN * found[first] else best
