"""Fingerprints: what they are, that machine code finds the same, and that damage changes them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode, NccError
from ncc.neff.fingerprint import BLOCK, FACTOR, Fingerprint, hashes
from ncc.neff.format import MINOR
from ncc.neff.reader import open_bundle
from ncc.neff.writer import write
from ncc.runtime.soundness import SHARE
from tests.forgery import forged
from tests.tiny_bundles import WEIGHTS, expected, manifest, source, sources

X = np.arange(1000, dtype=np.float32)


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


def of(data: bytes) -> bytes:
    made = Fingerprint()
    made.update(data)
    return made.digest()


def plainly(data: bytes) -> bytes:
    """The definition of docs/neff.md, a word at a time."""
    found = sha256()
    data += bytes(-len(data) % BLOCK)
    for start in range(0, len(data), BLOCK):
        words = memoryview(data[start : start + BLOCK]).cast("I")
        keyed = [(word + (i + 1) * FACTOR) % 2**32 for i, word in enumerate(words)]
        pairs = zip(keyed[0::2], keyed[1::2], strict=True)
        found.update((sum(a * b for a, b in pairs) % 2**64).to_bytes(8, "little"))
    return found.digest()


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 100 * BLOCK + 7])
def test_it_is_what_the_document_says(size: int) -> None:
    assert of(noise(size)) == plainly(noise(size))


def test_pieces_do_not_matter() -> None:
    data = noise(70 * BLOCK + 9)
    made = Fingerprint()
    for start in range(0, len(data), 3 * BLOCK):
        made.update(data[start : start + 3 * BLOCK])
    assert made.digest() == of(data)


@pytest.mark.parametrize("bit", [0, 31, 32, 8 * BLOCK - 1])
def test_every_bit_counts(bit: int) -> None:
    damaged = bytearray(noise(BLOCK))
    damaged[bit // 8] ^= 1 << bit % 8
    assert hashes(damaged) != hashes(noise(BLOCK))


def test_order_counts() -> None:
    first, second = noise(BLOCK), bytes(BLOCK)
    assert of(first + second) != of(second + first)
    assert of(first) != of(first[64:] + first[:64])


def saved(path: Path, extra: int) -> Path:
    """`product` with weights that it does not use after those that it does."""
    code, _, debug = sources()
    weights = WEIGHTS.tobytes() + noise(extra)
    write(path, manifest(), [code, source("weights", "weights", weights), debug])
    return path


@pytest.mark.parametrize("extra", [0, 96, 97, 3 * SHARE * BLOCK + 95])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_machine_code_finds_the_same(extra: int, cores: int, tmp_path: Path) -> None:
    with ncc.load(saved(tmp_path / "tiny.neff", extra)) as model:
        np.testing.assert_array_equal(model(X, cores=cores), expected(X))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_damaged_weights_give_no_result(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path / "tiny.neff", 20 * BLOCK + 5)
    with open_bundle(path) as bundle:
        section = bundle.sections["weights"]
        place = bundle.offset(section) + int(share * (section.size - 1))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with ncc.load(path) as model, pytest.raises(NccError, match="'weights' is damaged") as error:
        model(X)
    assert error.value.exit is ExitCode.INTEGRITY


def without_fingerprints(raw: dict[str, Any]) -> None:
    """The manifest as version 2.0 had it."""
    del raw["variants"][0]["fingerprint"]
    for section in raw["sections"]:
        del section["fingerprint"]


def test_a_bundle_without_them_has_its_digest_checked(tmp_path: Path) -> None:
    path = saved(tmp_path / "tiny.neff", 0)
    older = forged(path.read_bytes(), without_fingerprints, minor=MINOR - 1)
    path.write_bytes(older)
    with ncc.load(path) as model:
        np.testing.assert_array_equal(model(X), expected(X))
    path.write_bytes(older.replace(WEIGHTS.tobytes(), bytes(WEIGHTS.nbytes)))
    with ncc.load(path) as model, pytest.raises(NccError, match="'weights' is damaged"):
        model(X)


def test_a_bundle_of_this_version_has_them(tmp_path: Path) -> None:
    path = saved(tmp_path / "tiny.neff", 0)
    path.write_bytes(forged(path.read_bytes(), without_fingerprints))
    with pytest.raises(NccError, match="lacks 'fingerprint'"):
        ncc.load(path)
