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
from ncc.neff.format import Manifest
from ncc.neff.writer import write
from ncc.runtime import cores, executable
from ncc.runtime.cores import Team
from ncc.runtime.tensors import Array
from tests.tiny_bundles import SIZE, expected, manifest, save, sources

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


@pytest.fixture
def lone_gate(gate: ncc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ncc.Model:
    """`gate` with workers that no other model has."""
    monkeypatch.setattr(executable, "TEAM", Team())
    return ncc.load(folder / "gate.neff")


def test_a_call_makes_do_with_the_cores_that_are_free(lone_gate: ncc.Model) -> None:
    first = Call(lone_gate, 3)
    assert Call(lone_gate, 3).finish() == 1
    second = Call(lone_gate, 4)
    assert second.finish() == 2, "one more worker was started"
    assert first.finish() == 3
    assert Call(lone_gate, 4).finish() == 4, "the workers have come back"


def test_a_system_without_threads_left_is_no_error(
    lone_gate: ncc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cores, "_start", lambda function, slot: False)
        assert Call(lone_gate, 3).finish() == 1
    assert Call(lone_gate, 4).finish() == 3, "a slot whose thread never came is left alone"


def test_a_segment_uses_no_more_cores_than_have_enough_to_do(folder: Path) -> None:
    one = with_segment_cores(manifest("gate"), 2)
    write(folder / "two.neff", one, sources())
    assert Call(ncc.load(folder / "two.neff"), 4).finish() == 2


def with_segment_cores(made: Manifest, cores: int) -> Manifest:
    """`made` with the most cores that its segments use."""
    (variant,) = made.variants
    (program,) = variant.programs
    segments = tuple(segment._replace(cores=cores) for segment in program.segments)
    limited = variant._replace(programs=(program._replace(segments=segments),))
    return made._replace(variants=(limited,))


def worker_states() -> list[str]:
    """What each worker of this process does as the system sees it: R runs, S sleeps."""
    states = []
    for task in Path("/proc/self/task").iterdir():
        head, _, rest = (task / "stat").read_text().rpartition(")")
        if head.endswith("(ncc-core"):
            states.append(rest.split()[0])
    return states


def test_workers_sleep_between_calls(product: ncc.Model) -> None:
    product(drawn(0), cores=3)
    assert len(worker_states()) >= 2
    until(lambda: set(worker_states()) == {"S"})


APART = """
import os, sys, time
from pathlib import Path
import numpy as np
import ncc
from tests.tiny_bundles import SIZE

everywhere = os.sched_getaffinity(0)
here = min(everywhere)
model = ncc.load(sys.argv[1])
model(np.zeros(SIZE, np.float32), cores=2)
(worker,) = [
    int(task.name)
    for task in Path("/proc/self/task").iterdir()
    if (task / "comm").read_text().startswith("ncc-core")
]
os.sched_setaffinity(0, {here})
time.sleep(0.05)
model(np.zeros(SIZE, np.float32), cores=2)
print(os.sched_getaffinity(worker) == (everywhere - {here} or everywhere))
print(os.sched_getaffinity(0) == {here})
"""


def test_a_worker_that_is_woken_keeps_off_the_processor_of_the_caller(
    product: ncc.Model, folder: Path
) -> None:
    done = run_script(APART, folder / "product.neff")
    assert done.stdout.split() == ["True", "True"], done.stderr


IDLE = """
import sys, time
import numpy as np
import ncc
from tests.tiny_bundles import SIZE

model = ncc.load(sys.argv[1])
for _ in range(100):
    model(np.zeros(SIZE, np.float32), cores=4)
time.sleep(0.2)
before = time.process_time()
time.sleep(1)
print(time.process_time() - before)
"""


def test_an_idle_model_uses_no_processor(product: ncc.Model, folder: Path) -> None:
    done = run_script(IDLE, folder / "product.neff")
    assert float(done.stdout) < 0.05, done.stderr


ENDING = """
import atexit, sys, threading, types
import numpy as np
import ncc
from tests.tiny_bundles import SIZE, expected

model = ncc.load(sys.argv[1])
x = np.arange(SIZE, dtype=np.float32)

class Last:
    def __init__(self):
        self.model, self.x, self.y = model, x, expected(x).tolist()

    def __del__(self):
        print(self.model(self.x, cores=3).tolist() == self.y, flush=True)

def calls():
    while True:
        model(x, cores=3)

atexit.register(lambda: model(x, cores=3))
sys.modules["late"] = late = types.ModuleType("late")
late.last = Last()
threading.Thread(target=calls, daemon=True).start()
model(x, cores=2)
"""


def test_an_interpreter_ends_while_workers_run_and_calls_until_then(
    product: ncc.Model, folder: Path
) -> None:
    done = run_script(ENDING, folder / "product.neff")
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


CLOSING = """
import sys
import numpy as np
import ncc
from tests.tiny_bundles import SIZE, expected

x = np.arange(SIZE, dtype=np.float32)
for i in range(200):
    with ncc.load(sys.argv[1]) as model:
        assert np.array_equal(model(x, cores=1 + i % 4), expected(x))
maps = open("/proc/self/maps").read().splitlines()
print(sum("r-xs" in line and line.endswith(sys.argv[1]) for line in maps))
"""


def test_workers_outlive_the_model_that_started_them(product: ncc.Model, folder: Path) -> None:
    """The code that they run stays: that of each model that started one."""
    done = run_script(CLOSING, folder / "product.neff")
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_ctrl_c_during_a_call_loses_no_core(lone_gate: ncc.Model) -> None:
    x = np.zeros(SIZE, np.float32)

    def interrupt() -> None:
        until(lambda: x[1:4].all())
        os.kill(os.getpid(), signal.SIGINT)
        x[0] = 1

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        lone_gate(x, cores=3)
    thread.join()
    assert Call(lone_gate, 3).finish() == 3


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
    for variable, count in {"1": 1, "1000": usable}.items():
        done = run_script(CORES, folder / "product.neff", NCC_RT_NUM_CORES=variable)
        assert done.stdout.strip() == str(count), done.stderr


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_a_wrong_variable_is_a_usage_error(
    text: str, product: ncc.Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCC_RT_NUM_CORES", text)
    with pytest.raises(ncc.NccError, match=f"NCC_RT_NUM_CORES is '{text}', needs 1") as error:
        ncc.load(folder / "product.neff")
    assert error.value.exit is ExitCode.USAGE
