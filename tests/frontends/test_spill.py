"""Temporary files are whole when they have their name."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from ncc.frontends.onnx.spill import spill


def test_threads_that_need_the_same_file_see_all_of_it() -> None:
    data, ready = bytes(range(256)) * (1 << 17), Barrier(4)

    def size(_: int) -> int:
        ready.wait()
        return spill(data).stat().st_size

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(size, range(4))) == [len(data)] * 4


FORK = """
import os, sys
from ncc.frontends.onnx.spill import spill
mine = spill(b"mine")
child = os.fork()
if not child:
    other = spill(b"other")
    assert other.read_bytes() == b"other" and other.parent != mine.parent
    print(other)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
assert mine.read_bytes() == b"mine" and spill(b"more").exists()
print(mine)
"""


def test_a_forked_process_removes_its_own_files_alone() -> None:
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files = [Path(line) for line in done.stdout.split()]
    assert len(files) == 2
    assert not any(file.parent.exists() for file in files)
