"""Which schedule a contraction gets: one from a file, one that was measured, or a fixed one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.packing import Widths, by_cost
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tuning.fixed import fixed_schedule, fixed_width
from ncc.backends.cpu.tuning.schedule import Schedule, read_schedule, scheduled
from ncc.backends.cpu.tuning.search import Search, Task
from ncc.backends.cpu.tuning.subject import subject
from ncc.backends.cpu.tuning.versions import Versions
from ncc.backends.tuning import Entry, Tuned, Tuning
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Graph, Node
from ncc.ir.types import DType
from ncc.options import Level

NAMED = 3
"""Kernels that an error names."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """`schedules` by the key of a kernel; what they lack is chosen by `level`.

    `widths` are those of the panels that `lower` must make for them.
    """

    target: Target
    level: Level
    widths: Widths
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    tuned: Tuned = field(default_factory=Tuned)

    def applied(self, calls: Sequence[Call]) -> list[Call]:
        """Calls that were lowered with `widths`, with the kernels that were decided on."""
        if self.level is not Level.O1 and not self.schedules:
            return list(calls)
        return [self._applied(call) for call in calls]

    def _applied(self, call: Call) -> Call:
        found = subject(call)
        if found is None:
            return call
        schedule = self.schedules.get(found.key) if self.schedules else None
        if schedule is None and self.level is Level.O1:
            schedule = fixed_schedule(found, self.target)
        if schedule is None:
            return call
        kernel = scheduled(found, schedule, self.target)
        assert kernel is not None, f"{found} cannot have {schedule}"
        return replace(call, kernel=kernel)


def decide(segments: Sequence[Graph], target: Target, tuning: Tuning) -> Decisions:
    """How to cut the contractions of `segments`.

    NccError: "tuning-miss" (usage) if an entry is missing that must not be, "tuning-host"
    (incompatible) if kernels for `target` are to be measured and cannot run here.
    """
    widths = _fixed_widths(target) if tuning.level is Level.O1 else by_cost
    if tuning.entries is None and tuning.timer is None:
        return Decisions(target, tuning.level, widths)
    if tuning.timer is not None:
        tuning.timer.require(target.name, target.flags)
    versions = Versions(segments, target, widths)
    schedules = _known(versions, tuning)
    if tuning.timer is not None:
        schedules |= _measured(versions, schedules, tuning)
    tuned = _tuned(versions, schedules)
    if tuning.strict and tuned.missed:
        raise _missing(tuned.missed, target)
    chosen = {
        root: schedule.columns
        for key, schedule in schedules.items()
        for root in versions.roots(key)
    }
    return Decisions(target, tuning.level, _chosen_widths(chosen, widths), schedules, tuned)


def _known(versions: Versions, tuning: Tuning) -> dict[str, Schedule]:
    """What the entries say, where a kernel can have it."""
    found: dict[str, Schedule] = {}
    for key in versions.calls:
        entry = (tuning.entries or {}).get(key)
        schedule = read_schedule(entry.choice) if entry else None
        if schedule is not None and versions.allow(key, schedule):
            found[key] = schedule
    return found


def _measured(
    versions: Versions, known: Mapping[str, Schedule], tuning: Tuning
) -> dict[str, Schedule]:
    """What is fastest here of the kernels that are not known, as far as there is time."""
    assert tuning.timer is not None
    tasks = [
        Task(key, calls[0], versions.variants(key), sum(call.flops for call in calls))
        for key, calls in versions.calls.items()
        if key not in known
    ]
    return dict(Search(versions.target, tuning.timer, tuning.budget).run(tasks))


def _tuned(versions: Versions, schedules: Mapping[str, Schedule]) -> Tuned:
    names = {key: str(versions.subject(key)) for key in versions.calls}
    return Tuned(
        {key: Entry(names[key], schedules[key].numbers) for key in names if key in schedules},
        tuple(name for key, name in names.items() if key not in schedules),
    )


def _missing(missed: Iterable[str], target: Target) -> NccError:
    first, *others = dict.fromkeys(missed)
    named = ", ".join([first, *others[: NAMED - 1]])
    more = f" and {len(others) + 1 - NAMED} more" if len(others) >= NAMED else ""
    return NccError(
        "tuning-miss",
        f"the tuning file has no entry for {target.name} of {named}{more}",
        exit=ExitCode.USAGE,
        hint="extend it with -O3 --tuning on a machine that runs the target, or leave out --strict",
    )


def _fixed_widths(target: Target) -> Widths:
    return lambda root, columns, dtype: fixed_width(columns, dtype, target)


def _chosen_widths(chosen: Mapping[Node, int], others: Widths) -> Widths:
    def widths(root: Node, columns: int, dtype: DType) -> int | None:
        return chosen[root] if root in chosen else others(root, columns, dtype)

    return widths
