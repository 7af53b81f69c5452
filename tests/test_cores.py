"""Calls on several cores: the same result, always an end, no worker that spins for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode
from ncc.runtime import executable
from ncc.runtime.cores import Pool
from ncc.runtime.tensors import Array
from tests.tiny_bundles import SIZE, expected, save

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cores")


@pytest.fixture(scope="module")
def product(folder: Path) -> ncc.Model:
    return ncc.load(save(folder / "product.neff"))


@pytest.fixture(scope="module")
def gate(folder: Path) -> ncc.Model:
    return ncc.load(save(folder / "gate.neff", "gate"))


def drawn(seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(SIZE, np.float32)


def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`; the test run's own limit ends a wait that would not end."""
    while not condition():
        time.sleep(0.001)


@pytest.mark.parametrize("cores", [1, 2, 3, 7])
def test_every_number_of_cores_gives_the_same_bits(cores: int, product: ncc.Model) -> None:
    for seed in range(20):
        np.testing.assert_array_equal(product(drawn(seed), cores=cores), expected(drawn(seed)))


def test_threads_may_share_sessions_and_cores(product: ncc.Model, folder: Path) -> None:
    """Eight threads, two models, calls that want more cores together than there are."""
    models = [product, ncc.load(folder / "product.neff")]

    def calls(thread: int) -> bool:
        x = drawn(thread)
        results = [models[i % 2](x, cores=1 + (thread + i) % 4) for i in range(60)]
        return all(np.array_equal(result, expected(x)) for result in results)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(calls, range(8)))


class Call:
    """A call of `gate` in a thread, from when its first core runs until `finish`."""

    def __init__(self, gate: ncc.Model, cores: int) -> None:
        self.x = np.zeros(SIZE, np.float32)
        self._results: list[object] = []
        self._thread = threading.Thread(
            target=lambda: self._results.append(gate(self.x, cores=cores))
        )
        self._thread.start()
        until(lambda: self.x[1])

    def finish(self) -> int:
        """The number of cores that took part."""
        self.x[0] = 1
        self._thread.join()
        (result,) = self._results
        assert isinstance(result, np.ndarray)
        assert (result == result[0]).all()
        return int(result[0])


def test_a_call_has_the_cores_that_it_asks_for(gate: ncc.Model) -> None:
    assert [Call(gate, cores).finish() for cores in (1, 2, 4)] == [1, 2, 4]


def test_a_call_makes_do_with_the_cores_that_are_free(
    gate: ncc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executable, "POOL", Pool())
    first = Call(gate, 3)
    assert Call(gate, 3).finish() == 1
    assert first.finish() == 3
    assert Call(gate, 3).finish() == 3, "the workers have come back"


def state(thread: threading.Thread) -> str:
    """The state of a thread as the system sees it: R runs, S sleeps."""
    status = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
    return status.rpartition(")")[2].split()[0]


def test_workers_sleep_between_calls(product: ncc.Model) -> None:
    product(drawn(0), cores=3)
    workers = [thread for thread in threading.enumerate() if thread.name == "ncc-core"]
    assert len(workers) >= 2
    until(lambda: {state(worker) for worker in workers} == {"S"})


def test_ctrl_c_during_a_call_loses_no_core(
    gate: ncc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executable, "POOL", Pool())
    x = np.zeros(SIZE, np.float32)

    def interrupt() -> None:
        until(lambda: x[1:4].all())
        os.kill(os.getpid(), signal.SIGINT)
        x[0] = 1

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        gate(x, cores=3)
    thread.join()
    assert Call(gate, 3).finish() == 3


FORKED = """
import os, sys
import numpy as np
import ncc
from tests.tiny_bundles import SIZE, expected

model = ncc.load(sys.argv[1])
x = np.arange(SIZE, dtype=np.float32)
model(x, cores=3)
child = os.fork()
right = np.array_equal(model(x, cores=3), expected(x))
if child == 0:
    os._exit(0 if right else 1)
assert right
assert os.waitpid(child, 0)[1] == 0
"""


def run_script(text: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, path],
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_child_of_a_fork_has_cores_of_its_own(product: ncc.Model, folder: Path) -> None:
    done = run_script(FORKED, folder / "product.neff")
    assert done.returncode == 0, done.stderr


CORES = "import sys, ncc; print(ncc.load(sys.argv[1]).cores)"


def test_a_call_uses_the_usable_cpus_unless_a_variable_says_fewer(
    product: ncc.Model, folder: Path
) -> None:
    usable = len(os.sched_getaffinity(0))
    assert product.cores == usable
    for variable, cores in {"1": 1, "1000": usable}.items():
        done = run_script(CORES, folder / "product.neff", NCC_RT_NUM_CORES=variable)
        assert done.stdout.strip() == str(cores), done.stderr


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_a_wrong_variable_is_a_usage_error(
    text: str, product: ncc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCC_RT_NUM_CORES", text)
    with pytest.raises(ncc.NccError, match=f"NCC_RT_NUM_CORES is '{text}', needs 1") as error:
        ncc.load(folder / "product.neff")
    assert error.value.exit is ExitCode.USAGE
