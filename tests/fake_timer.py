"""A timer that measures nothing: every version takes as long as a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ncc.backends.tuning import Trial

Times = Callable[[int], Sequence[float | None]]
"""What each of so many versions takes."""


@dataclass
class FakeTimer:
    """Time passes while trials are measured: `each` seconds for a version."""

    times_of: Times
    each: float = 0.0
    trials: list[Trial] = field(default_factory=list)
    clock: float = 0.0

    def require(self, target: str, features: Sequence[str]) -> None:
        """Any target will do."""

    def times(self, trial: Trial) -> list[float | None]:
        self.trials.append(trial)
        self.clock += self.each * len(trial.entries)
        return list(self.times_of(len(trial.entries)))

    def now(self) -> float:
        return self.clock

    def stop(self) -> None:
        """Nothing runs."""


def last_is_fastest(count: int) -> list[float]:
    return [1 / (1 + index) for index in range(count)]


def first_is_fastest(count: int) -> list[float]:
    return [1.0 + index for index in range(count)]


def all_crash(count: int) -> list[None]:
    return [None] * count
