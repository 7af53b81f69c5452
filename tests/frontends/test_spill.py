"""Temporary files are whole when they have their name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from ncc.frontends.onnx.spill import spill


def test_threads_that_need_the_same_file_see_all_of_it() -> None:
    data, ready = bytes(range(256)) * (1 << 17), Barrier(4)

    def size(_: int) -> int:
        ready.wait()
        return spill(data).stat().st_size

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(size, range(4))) == [len(data)] * 4
