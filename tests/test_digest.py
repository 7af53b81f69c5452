"""Digests of sections: the same in a stream and on several cores, and every byte counts."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from ncc.neff.digest import Digest, parallel_digest
from ncc.neff.format import PART

SIZES = (0, 1, PART - 1, PART, PART + 1, 3 * PART + 17)


def parallel(data: bytes, threads: int = 1) -> bytes:
    return parallel_digest(len(data), lambda start, end: data[start:end], threads)


def streamed(data: bytes, seed: int) -> bytes:
    """The digest of `data` in chunks of random sizes, some of them empty."""
    found, pick, start = Digest(), random.Random(seed), 0
    while start < len(data):
        end = start + pick.choice((0, 1, 1000, PART - 1, PART, 2 * PART + 3))
        found.update(memoryview(data)[start:end])
        start = end
    return found.digest()


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_and_several_cores_agree(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert {parallel(data, threads) for threads in (1, 2, 7)} == {streamed(data, size)}


def test_a_section_of_one_part_has_the_digest_of_a_digest() -> None:
    assert parallel(b"abc") == hashlib.sha256(hashlib.sha256(b"abc").digest()).digest()
    assert parallel(b"") == hashlib.sha256(b"").digest()


def test_every_part_counts_and_so_does_its_place() -> None:
    data = bytes(PART) + b"\1" * PART + b"\2"
    assert parallel(data) != parallel(data[PART : 2 * PART] + data[:PART] + data[2 * PART :])
    assert parallel(data) != parallel(data[:-1])
    for index in (0, PART - 1, PART, 2 * PART):
        assert parallel(data) != parallel(data[:index] + b"\7" + data[index + 1 :])


def test_other_threads_do_parts_and_what_fails_there_is_raised_here() -> None:
    met = threading.Barrier(2)

    def part(start: int, end: int) -> bytes:
        met.wait()
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("a part that cannot be read")
        return b""

    with pytest.raises(ValueError, match="cannot be read"):
        parallel_digest(2 * PART, part, 2)


def test_a_system_without_threads_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    data = bytes(2 * PART)
    expected = parallel(data)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert parallel(data, 4) == expected
