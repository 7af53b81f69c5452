"""Timing kernels in a process of their own, which may crash or hang without harm."""

from __future__ import annotations

import pickle
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from ncc.backends.tuning import Trial
from ncc.diagnostics import ExitCode, NccError
from ncc.runtime.cpu import Host, this_host

_START = "import sys; sys.path[:] = {path!r}; from ncc.tuning.stopwatch import serve; serve()"
PATIENCE = 20.0
"""Seconds after those of a trial that its process may take to answer."""


class IsolatedTimer:
    """A `Timer`; its process is started when it is first needed, and again after a crash."""

    def __init__(self, host: Host | None = None) -> None:
        self._host = host or this_host()
        self._process: subprocess.Popen[bytes] | None = None

    def require(self, target: str, features: Sequence[str]) -> None:
        """NccError "tuning-host" (incompatible) unless this machine runs code for `target`."""
        lacking = self._host.refuses(target, features)
        if lacking:
            raise NccError(
                "tuning-host",
                f"kernels cannot be measured here: {target} {lacking}",
                exit=ExitCode.INCOMPATIBLE,
                hint="compile with -O3 --tuning FILE on a machine that runs the target, "
                "and here with -O2 --tuning FILE",
            )

    def times(self, trial: Trial) -> list[float | None]:
        """Seconds that a run of each version takes; None for one that crashes or hangs."""
        answer = self._ask(trial)
        if answer is not None:
            return [*answer]
        if len(trial.entries) == 1:
            return [None]
        return [self.times(replace(trial, entries=(entry,)))[0] for entry in trial.entries]

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def _ask(self, trial: Trial) -> list[float] | None:
        """What the process says, or None if it fails."""
        process = self._process = self._process or _started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(trial, process.stdin)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], trial.seconds + PATIENCE)
            if ready:
                times: list[float] = pickle.load(process.stdout)
                return times
        except (EOFError, OSError, pickle.UnpicklingError):
            pass
        self.stop()
        return None

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _START.format(path=sys.path)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    # A group of its own: ctrl-C on the terminal is for this process, which ends the other.
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, process_group=0)
