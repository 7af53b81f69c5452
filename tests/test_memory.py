"""What a loaded model takes: its bundle once for all processes, and an arena for each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncc.neff.writer import write
from tests.tiny_bundles import WEIGHTS, manifest, source, sources

ROOT = Path(__file__).resolve().parent.parent
MEGA = 1 << 20
WEIGHTS_BYTES = 48 * MEGA
ARENA_BYTES = 6 * MEGA

MEASURED = """
import json, sys
import numpy as np
import ncc

def memory(path=""):
    # Bytes by kind, of the mappings of a file or of all.
    found, counts = {}, not path
    for line in open("/proc/self/smaps"):
        key, *rest = line.split()
        if not key.endswith(":"):
            counts = not path or line.rstrip().endswith(path)
        elif counts and rest[-1] == "kB":
            found[key[:-1]] = found.get(key[:-1], 0) + 1024 * int(rest[0])
    return found

ncc.load
before = memory()
model = ncc.load(sys.argv[1])
x = np.arange(1000, dtype=np.float32)
for _ in range(3):
    model(x, cores=1)
after, mapped = memory(), memory(sys.argv[1])
grown = {key: after[key] - before[key] for key in after}
print(json.dumps({"grown": grown, "mapped": mapped}), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`product` with many weights that it does not use, and an arena that it hardly uses."""
    path = tmp_path_factory.mktemp("memory") / "large.neff"
    made = manifest()
    (variant,) = made.variants
    (program,) = variant.programs
    roomy = variant._replace(programs=(program._replace(arena_bytes=ARENA_BYTES),))
    code, _, debug = sources()
    weights = WEIGHTS.tobytes() + bytes(WEIGHTS_BYTES - WEIGHTS.nbytes)
    write(
        path, made._replace(variants=(roomy,)), [code, source("weights", "weights", weights), debug]
    )
    return path


@pytest.fixture
def processes(large: Path) -> Iterator[list[dict[str, dict[str, int]]]]:
    """What two processes measured that run `large` at the same time, the first one first."""
    started: list[subprocess.Popen[str]] = []
    found = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURED, large],
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        found.append(json.loads(process.stdout.readline()))
    yield found
    for process in started:
        process.communicate("")


def test_a_model_takes_little_more_than_its_bundle(
    processes: list[dict[str, dict[str, int]]], large: Path
) -> None:
    size = large.stat().st_size
    first, _ = processes
    assert first["mapped"]["Rss"] > WEIGHTS_BYTES, "all weights were read"
    assert first["grown"]["Rss"] < 1.4 * size


def test_a_second_process_shares_everything_but_the_arena(
    processes: list[dict[str, dict[str, int]]],
) -> None:
    _, second = processes
    mapped, grown = second["mapped"], second["grown"]
    assert mapped["Rss"] > WEIGHTS_BYTES
    assert mapped["Private_Clean"] == mapped["Private_Dirty"] == mapped["Anonymous"] == 0
    assert grown["Anonymous"] < ARENA_BYTES + 2 * MEGA
