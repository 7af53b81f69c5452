"""Where the time of a call goes: timed entries, and yardsticks to hold their times against.

A timed entry writes down the time-stamp counter after each kernel and each barrier, on each core.
What is reported is the way of core 0: its kernels, its waiting, and what was outside of them add up
to the time of the call. Of many calls the faster half counts, as their mean.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.format import Program, Segment, Variant, Yardstick
from ncc.runtime.cores import core_count
from ncc.runtime.executable import Executable
from ncc.runtime.plan import Call, Code, DeviceStep, HostStep, Values, Workspace
from ncc.runtime.session import Model
from ncc.runtime.tensors import Array

COPY = "copy"
"""The yardstick of memory; the others are of arithmetic."""
CORE_BYTES = 4096
"""What a yardstick of arithmetic may use of the arena, for each core."""
MAX_CALLS = 2000
LEAST_CALLS = 5
YARDSTICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class KernelTime:
    """One kernel in one call of the model, all its calls together.

    `seconds` is what core 0 took for it, `waiting` how long it then waited for the other cores;
    `flops` and `bytes` are of all cores, `limit` names the yardstick of its arithmetic.
    """

    name: str
    calls: int
    flops: int
    bytes: int
    limit: str
    sources: tuple[str, ...]
    seconds: float = 0.0
    waiting: float = 0.0

    @property
    def total(self) -> float:
        """Seconds from its start until all cores could go on."""
        return self.seconds + self.waiting


@dataclass(frozen=True, slots=True)
class Profile:
    """A call of `seconds`, of which kernels, host segments and `outside` are the parts.

    A host segment is the name of its graph and its seconds; what is outside of all segments is
    Python, and waking other cores.

    `peaks` are what the machine did in the same minute on the same cores: operations a second, or
    bytes a second for `COPY`. `calls` is how many were measured.
    """

    target: str
    cores: int
    calls: int
    seconds: float
    kernels: tuple[KernelTime, ...]
    host: tuple[tuple[str, float], ...]
    outside: float
    peaks: dict[str, float] = field(default_factory=dict)


def profile(
    model: Model, inputs: Sequence[Array], *, cores: int | None = None, seconds: float = 1.0
) -> Profile:
    """Call `model` for about `seconds`, at least a few times, and say where the time went.

    `inputs` are the arrays of a call, in order. NccError: usage if they do not fit.
    """
    executable, program = model.prepare(inputs)
    count = model.cores if cores is None else core_count(cores, "cores")
    recording = _Recording(executable, program, model.variant, count)
    recording.run(inputs, seconds)
    found = recording.summary()
    peaks = {
        yardstick.name: _measure(executable.code, yardstick, found.cores)
        for yardstick in model.variant.yardsticks
    }
    return replace(found, peaks=peaks)


class _TimedDevice(DeviceStep):
    """A segment that writes down its times: a row for each core, a column for each mark."""

    def entry(self, segment: Segment, shared: Code) -> Call:
        if not segment.timed:
            raise NccError(
                "no-timed-entry",
                "the bundle has no code that measures itself",
                exit=ExitCode.INCOMPATIBLE,
                hint="compile the model again with this version",
            )
        self.marks = segment.marks
        self.times = np.zeros((segment.cores, 1 + len(segment.marks)), np.uint64)
        pointers = len(segment.inputs) + len(segment.outputs)
        return shared.caller(segment.timed, pointers, self.times.ctypes.data)


class _TimedHost(HostStep):
    """A segment whose seconds are measured around it."""

    seconds = 0.0

    def run(self, values: Values, workspace: Workspace, cores: int) -> None:
        start = time.perf_counter()
        super().run(values, workspace, cores)
        self.seconds = time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Timed:
    """Wall seconds of a call, its end, the times of core 0 by segment, the seconds of the host."""

    seconds: float
    end: float
    ticks: list[Array]
    host: list[float]


class _Recording:
    """Timed calls of one program."""

    def __init__(
        self, executable: Executable, program: Program, variant: Variant, cores: int
    ) -> None:
        self._executable = executable
        self._plan = executable.plan(program, _TimedDevice, _TimedHost)
        self._variant = variant
        self._cores = cores
        self._device = [step for step in self._plan.steps if isinstance(step, _TimedDevice)]
        self._host = [step for step in self._plan.steps if isinstance(step, _TimedHost)]
        self._calls: list[_Timed] = []

    def run(self, inputs: Sequence[Array], seconds: float) -> None:
        """Call again and again; the first calls are to warm up."""
        for _ in range(LEAST_CALLS):
            self._call(inputs)
        begin = time.perf_counter()
        while len(self._calls) < MAX_CALLS and (
            len(self._calls) < LEAST_CALLS or time.perf_counter() - begin < seconds
        ):
            self._calls.append(self._call(inputs))

    def _call(self, inputs: Sequence[Array]) -> _Timed:
        start = time.perf_counter()
        self._executable.run(self._plan, inputs, self._cores)
        end = time.perf_counter()
        ticks = [step.times[0].astype(np.int64) for step in self._device]
        return _Timed(end - start, end, ticks, [step.seconds for step in self._host])

    def summary(self) -> Profile:
        """The mean of the faster half."""
        typical = statistics.median(call.seconds for call in self._calls)
        fast = [call for call in self._calls if call.seconds <= typical]
        seconds = statistics.fmean(call.seconds for call in fast)
        kernels = [
            KernelTime(k.name, k.calls, k.flops, k.bytes, k.limit, k.sources)
            for k in self._variant.kernels
        ]
        on_device = 0.0
        for number, step in enumerate(self._device):
            rows = np.stack([call.ticks[number] for call in fast])
            parts = np.diff(rows, axis=1).mean(axis=0) * self._tick()
            on_device += float(parts.sum())
            _add(kernels, step.marks, parts.tolist())
        names = [s.graph for s in self._plan.program.segments if s.kind == "host"]
        host = [statistics.fmean(call.host[i] for call in fast) for i in range(len(names))]
        return Profile(
            target=self._variant.target,
            cores=max((int(np.count_nonzero(s.times[:, -1])) for s in self._device), default=1),
            calls=len(self._calls),
            seconds=seconds,
            kernels=tuple(kernel for kernel in kernels if kernel.total),
            host=tuple(zip(names, host, strict=True)),
            outside=seconds - on_device - sum(host),
        )

    def _tick(self) -> float:
        """The seconds of one step of the counter, from the first call to the last."""
        first, last = self._calls[0], self._calls[-1]
        ticks = int(last.ticks[-1][-1] - first.ticks[-1][-1])
        return (last.end - first.end) / ticks


def _add(kernels: list[KernelTime], marks: Sequence[int], parts: Sequence[float]) -> None:
    """Add the time before each mark to its kernel; what is before a barrier is waiting."""
    last = 0
    for mark, part in zip(marks, parts, strict=True):
        if mark:
            last = mark - 1
            kernels[last] = replace(kernels[last], seconds=kernels[last].seconds + part)
        else:
            kernels[last] = replace(kernels[last], waiting=kernels[last].waiting + part)


def _measure(code: Code, yardstick: Yardstick, cores: int) -> float:
    """What a yardstick does in a second on so many cores, in the fastest of many calls."""
    copies = yardstick.name == COPY
    workspace = Workspace(yardstick.work if copies else CORE_BYTES * cores, 0)
    call = code.caller(yardstick.entry, 0)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < LEAST_CALLS or time.perf_counter() - begin < YARDSTICK_SECONDS:
        start = time.perf_counter()
        call(workspace, cores)
        times.append(time.perf_counter() - start)
    return yardstick.work * (1 if copies else cores) / min(times)
