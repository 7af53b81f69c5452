"""Bundles that are damaged, forged or no bundles: each is refused, with the exit code that fits.

A forged bundle has correct digests, so that only the check at hand can refuse it.
"""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncc
from ncc.diagnostics import ExitCode
from ncc.neff.codec import encode
from ncc.neff.format import HEADER_SIZE, MINOR
from ncc.neff.reader import open_bundle
from tests.forgery import (
    Change,
    flip,
    forged,
    manifest_end,
    raw_manifest,
    sealed,
    sections,
    with_manifest,
)
from tests.tiny_bundles import save

INTEGRITY, INCOMPATIBLE = ExitCode.INTEGRITY, ExitCode.INCOMPATIBLE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def good(folder: Path) -> bytes:
    """A bundle that loads."""
    path = save(folder / "good.neff")
    ncc.load(path)
    return path.read_bytes()


class Loader:
    """Loads bytes from a file of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, data: bytes) -> ncc.Model:
        self.path.write_bytes(data)
        return ncc.load(self.path, verify="full")

    def outcome(self, data: bytes) -> ExitCode:
        try:
            self.load(data)
        except ncc.NccError as error:
            return error.exit
        return ExitCode.OK

    def verify(self, data: bytes) -> None:
        self.path.write_bytes(data)
        with open_bundle(self.path) as bundle:
            bundle.verify()

    def refusal(self, data: bytes) -> ncc.NccError:
        """The error of loading `data`, which there must be."""
        with pytest.raises(ncc.NccError) as caught:
            self.load(data)
        assert str(self.path) in str(caught.value)
        return caught.value


@pytest.fixture(scope="module")
def loader(folder: Path) -> Loader:
    return Loader(folder / "bad.neff")


def test_every_byte_of_the_header_and_the_manifest_counts(good: bytes, loader: Loader) -> None:
    for index in range(manifest_end(good)):
        for mask in (1 << index % 8, 0xFF):
            assert loader.refusal(flip(good, index, mask)).exit in {INTEGRITY, INCOMPATIBLE}, index


def test_padding_counts(good: bytes, loader: Loader) -> None:
    parts = [(HEADER_SIZE, manifest_end(good))]
    parts += [(start, start + section.size) for section, start in sections(good)]
    for (_, end), (start, _) in pairwise(parts):
        for index in {*range(end, start, 53), *range(start - 1, start)} & {*range(end, start)}:
            error = loader.refusal(flip(good, index, 1))
            assert "padding" in error.message
            assert error.exit is INTEGRITY


def test_every_section_counts(good: bytes, loader: Loader) -> None:
    pick = random.Random(0)
    for section, start in sections(good):
        act = loader.verify if section.kind == "debug" else loader.load
        last = start + section.size - 1
        for index in {start, last, *pick.choices(range(start, last), k=40)}:
            with pytest.raises(ncc.NccError, match=f"section '{section.name}' is damaged") as error:
                act(flip(good, index, 1 << index % 8))
            assert error.value.exit is INTEGRITY


def test_a_cut_file_is_refused_wherever_it_is_cut(good: bytes, loader: Loader) -> None:
    edges = {0, 7, 8, 9, HEADER_SIZE, manifest_end(good), len(good)}
    for section, start in sections(good):
        edges |= {start, start + section.size}
    cuts = {edge + step for edge in edges for step in (-1, 0, 1)} | {*range(0, len(good), 97)}
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(good)):
        assert loader.refusal(good[:cut]).exit is INTEGRITY, cut


def test_a_longer_file_is_refused(good: bytes, loader: Loader) -> None:
    assert "its header says" in loader.refusal(good + b"\0").message


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("model.onnx", b"\x08\x07")
    return data.getvalue()


FOREIGN = {
    "the file is empty": b"",
    "it looks like a zip archive": zipped(),
    "it looks like an ELF file": b"\x7fELF" + bytes(5000),
    "it looks like an ONNX model": b"\x08\x07\x12\x07pytorch",
    "this is not a bundle": random.Random(1).randbytes(5000),
}


@pytest.mark.parametrize(("what", "data"), FOREIGN.items(), ids=FOREIGN.keys())
def test_another_file_is_named(what: str, data: bytes, loader: Loader) -> None:
    error = loader.refusal(data)
    assert what in error.message
    assert error.exit is INTEGRITY


def test_a_path_without_a_file_is_a_usage_error(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "absent.neff", folder / "good.neff" / "inside"):
        with pytest.raises(ncc.NccError, match="cannot read") as error:
            ncc.load(path)
        assert error.value.exit is ExitCode.USAGE
    with pytest.raises(ncc.NccError, match="not a regular file"):
        ncc.load(folder / "pipe")


def forged_field(good: bytes, offset: int, value: bytes) -> bytes:
    """`good` with a field of its header replaced."""
    header = good[:offset] + value + good[offset + len(value) : HEADER_SIZE]
    return sealed(header) + good[HEADER_SIZE:]


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


FORGED_FIELDS = {
    "major": (8, number(1, 4), INCOMPATIBLE, "format 1, this ncc reads format 2"),
    "header size": (16, number(2048, 4), INTEGRITY, "the header is not in canonical form"),
    "cores": (20, number(2, 4), INTEGRITY, "does not belong to the manifest"),
    "no cores": (20, number(0, 4), INTEGRITY, "asks for 0 cores"),
    "huge file": (24, number(2**63, 8), INTEGRITY, "its header says 9223372036854775808"),
    "huge manifest": (32, number(2**63, 8), INTEGRITY, "the manifest exceeds 67108864 bytes"),
    "manifest beyond the end": (32, number(2**20, 8), INTEGRITY, "the manifest exceeds the file"),
    "unknown feature": (40, number(1 << 63, 8), INCOMPATIBLE, "features 0x8000000000000000"),
    "known feature": (40, number(3, 8), INTEGRITY, "does not belong to the manifest"),
    "digest": (48, bytes(32), INTEGRITY, "the manifest is damaged"),
    "uuid": (80, bytes(16), INTEGRITY, "does not belong to the manifest"),
    "name": (96, b"T", INTEGRITY, "does not belong to the manifest"),
    "name that is not text": (96, b"\xff", INTEGRITY, "not UTF-8"),
    "byte after the name": (351, b"T", INTEGRITY, "not in canonical form|does not belong"),
    "reserved byte": (352, b"\1", INTEGRITY, "the header is not in canonical form"),
}


@pytest.mark.parametrize("case", FORGED_FIELDS.values(), ids=FORGED_FIELDS.keys())
def test_a_forged_header_is_refused(
    case: tuple[int, bytes, ExitCode, str], good: bytes, loader: Loader
) -> None:
    offset, value, exit, message = case
    error = loader.refusal(forged_field(good, offset, value))
    assert error.exit is exit
    assert any(part in error.message for part in message.split("|")), error.message


def assign(path: str, value: object) -> Change:
    """A change of the item at `path`, keys and indices separated by dots."""
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(raw: Any) -> None:
        for step in parents:
            raw = raw[step]
        raw[last] = value

    return change


def remove(key: str) -> Change:
    return lambda raw: raw.pop(key)


PROGRAM = "variants.0.programs.0"
SEGMENT = f"{PROGRAM}.segments.0"

FORGED: dict[str, tuple[Change, str]] = {
    "unknown key": (assign("extra", 1), "manifest has an unknown key 'extra'"),
    "unknown inner key": (assign(f"{SEGMENT}.x", 1), "segments[0] has an unknown key 'x'"),
    "missing key": (remove("inputs"), "manifest lacks 'inputs'"),
    "wrong type": (assign("producer", 1), "manifest.producer is a int, needs str"),
    "bool for int": (assign(f"{PROGRAM}.arena_bytes", True), "is a bool, needs int"),
    "negative": (assign(f"{PROGRAM}.arena_bytes", -1), "arena_bytes is -1"),
    "too large": (assign(f"{PROGRAM}.arena_bytes", 2**63), "is 9223372036854775808"),
    "bytes for text": (assign("inputs.0.name", b"x"), "inputs[0].name is a bytes, needs str"),
    "wrong size": (
        assign("inputs.0.shape.0", 1.0),
        "inputs[0].shape[0] is a float, needs int or str",
    ),
    "wrong list": (assign("outputs", {}), "manifest.outputs is a dict, needs list"),
    "wrong map": (assign(f"{PROGRAM}.dims", []), "dims is a list, needs dict"),
    "wrong map value": (assign(f"{PROGRAM}.dims", {"n": "1"}), "dims.n is a str, needs int"),
    "hole": (assign("sections.1.offset", 8192), "'weights' is at 8192, not at 4096"),
    "overlap": (assign("sections.1.offset", 0), "'weights' is at 0, not at 4096"),
    "alignment": (assign("sections.1.alignment", 64), "with alignment 4096"),
    "huge section": (assign("sections.2.size", 2**62), "does not belong to the manifest"),
    "huge first section": (assign("sections.0.size", 2**62), "is at 4096, not at"),
    "short digest": (assign("sections.0.digest", b"\0"), "section 'code' has no digest"),
    "section kind": (assign("sections.0.kind", "jar"), "section kind 'jar' is unknown"),
    "same name": (assign("sections.1.name", "code"), "two sections have the same name"),
    "no variant": (assign("variants", []), "the bundle has no variant"),
    "no program": (assign("variants.0.programs", []), "has no program"),
    "no code": (assign("variants.0.code", "cod"), "has no code section 'cod'"),
    "weights as code": (assign("variants.0.code", "weights"), "no code section 'weights'"),
    "no weights": (assign("variants.0.weights", ""), "has no weights section ''"),
    "kernel": (assign("variants.0.kernels.0.nbytes", 2**40), "is outside of the code"),
    "no cores": (assign("cores", 0), "asks for 0 cores"),
    "run": (assign("variants.0.run", 2**40), "a function of variant"),
    "serve": (assign("variants.0.serve", 2**40), "is outside of the code"),
    "timed entry": (assign(f"{SEGMENT}.timed", 2**40), "entry is outside of the code"),
    "mark": (assign(f"{SEGMENT}.marks", [0, 2]), "calls a kernel that is not there"),
    "yardstick": (
        assign("variants.0.yardsticks", [{"name": "copy", "entry": 2**40, "work": 1}]),
        "is outside of the code",
    ),
    "idle yardstick": (
        assign("variants.0.yardsticks", [{"name": "copy", "entry": 0, "work": 0}]),
        "yardstick 'copy' does 0",
    ),
    "idle segment": (assign(f"{SEGMENT}.cores", 0), "a segment is for 0 cores"),
    "many segment cores": (assign(f"{SEGMENT}.cores", 2000), "a segment is for 2000 cores"),
    "many cores": (assign("cores", 2), "asks for more than one core"),
    "entry": (assign(f"{SEGMENT}.entry", 2**40), "entry is outside of the code"),
    "segment kind": (assign(f"{SEGMENT}.kind", "moon"), "segment kind 'moon' is unknown"),
    "device graph": (assign(f"{SEGMENT}.graph", "loops"), "a device segment has a graph"),
    "host without graph": (assign(f"{SEGMENT}.kind", "host"), "no graph section ''"),
    "undefined input": (assign(f"{SEGMENT}.inputs", [1]), "reads a value that nothing made"),
    "made twice": (assign(f"{SEGMENT}.outputs", [0]), "a value is made twice"),
    "given twice": (assign(f"{PROGRAM}.inputs", [0, 0]), "a value is made twice"),
    "value out of range": (assign(f"{SEGMENT}.outputs", [2]), "a value id is out of range"),
    "input out of range": (assign(f"{PROGRAM}.inputs", [9]), "a value id is out of range"),
    "undefined output": (assign(f"{PROGRAM}.outputs", [7]), "returns a value that nothing made"),
    "output count": (assign(f"{PROGRAM}.outputs", []), "has 0 outputs, not 1"),
    "value dtype": (assign(f"{PROGRAM}.values.0.dtype", "f31"), "unknown type 'f31'"),
    "input dtype": (assign("inputs.0.dtype", "f64"), "input differs from x: f64[1000]"),
    "input size": (assign("inputs.0.shape", [999]), "input differs from x: f32[999]"),
    "output rank": (assign("outputs.0.shape", [1, 1000]), "output differs from y"),
    "unknown size": (assign(f"{PROGRAM}.values.0.shape", None), "a value of unknown size"),
    "huge tensor": (assign("inputs.0.shape", [2**40, 2**40]), "is larger than"),
    "huge empty tensor": (assign("inputs.0.shape", [0, 2**40, 2**40]), "is larger than"),
    "many axes": (assign("inputs.0.shape", ["n"] * 33), "has more than 32 axes"),
    "huge arena": (assign(f"{PROGRAM}.arena_bytes", 2**62), "an arena is larger than"),
}


def test_the_forger_is_able(good: bytes, loader: Loader) -> None:
    """What only the forger touched loads, so that the cases show the checks and not a blunder."""
    loader.load(forged(good, assign("report.note", "x" * 10_000)))


@pytest.mark.parametrize(("change", "message"), FORGED.values(), ids=FORGED.keys())
def test_a_forged_manifest_is_refused(
    change: Change, message: str, good: bytes, loader: Loader
) -> None:
    error = loader.refusal(forged(good, change))
    assert message in error.message
    assert error.exit is INTEGRITY


def test_a_newer_minor_version_may_add_fields(good: bytes, loader: Loader) -> None:
    loader.load(forged(good, assign("extra", 1), minor=MINOR + 1))


def reversed_keys(raw: dict[str, Any]) -> bytes:
    data: bytes = msgpack.packb(dict(reversed(raw.items())))
    return data


def twice(raw: dict[str, Any]) -> bytes:
    """The last key of the map a second time: the map says that it has one more."""
    packed: bytes = msgpack.packb(raw)
    key, value = list(raw.items())[-1]
    more: bytes = msgpack.packb(key) + msgpack.packb(value)
    return bytes([packed[0] + 1]) + packed[1:] + more


LOOSE: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "keys out of order": reversed_keys,
    "a key twice": twice,
    "a long integer": lambda raw: msgpack.packb(raw).replace(
        b"\xa5cores\x01", b"\xa5cores\xcc\x01"
    ),
    "a short float": lambda raw: msgpack.packb(raw, use_single_float=True),
    "text as the old raw": lambda raw: msgpack.packb(raw, use_bin_type=False),
    "an extension": lambda raw: msgpack.packb(raw | {"report": {"x": msgpack.ExtType(4, b"")}}),
    "a time": lambda raw: msgpack.packb(raw | {"report": {"x": msgpack.Timestamp(4)}}),
    "a key that is bytes": lambda raw: msgpack.packb(raw | {"report": {b"x": 1}}),
    "a key that is a number": lambda raw: msgpack.packb(
        raw | {"report": {1: 1}}, strict_types=True
    ),
    "a byte more": lambda raw: msgpack.packb(raw) + b"\0",
    "a byte less": lambda raw: msgpack.packb(raw)[:-1],
    "text that is not UTF-8": lambda raw: msgpack.packb(raw).replace(b"tiny.onnx", b"tiny\xffonnx"),
    "a list that claims 4 G items": lambda raw: b"\xdd\xff\xff\xff\xff",
    "lists in 17 lists": lambda raw: msgpack.packb(
        raw | {"report": {"x": msgpack.unpackb(b"\x91" * 17 + b"\x90")}}
    ),
    "lists without end": lambda raw: b"\x91" * 5000,
    "an array": lambda raw: msgpack.packb([]),
    "nothing": lambda raw: b"",
}


@pytest.mark.parametrize("pack", LOOSE.values(), ids=LOOSE.keys())
def test_a_manifest_has_one_encoding(
    pack: Callable[[dict[str, Any]], bytes], good: bytes, loader: Loader
) -> None:
    encoded = pack(raw_manifest(good))
    assert encoded != good[HEADER_SIZE : manifest_end(good)]
    assert loader.refusal(with_manifest(good, encoded)).exit is INTEGRITY


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
HUNT = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@HUNT
@given(encoded=st.binary(max_size=200) | PLAIN.map(encode))
def test_garbage_after_a_sound_header_is_refused(
    encoded: bytes, good: bytes, loader: Loader
) -> None:
    assert loader.refusal(with_manifest(good, encoded)).exit is INTEGRITY


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every item of nested maps and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@HUNT
@given(data=st.data())
def test_any_change_of_the_manifest_loads_or_is_refused(
    data: st.DataObject, good: bytes, loader: Loader
) -> None:
    raw = raw_manifest(good)
    path = data.draw(st.sampled_from(list(places(raw))))
    parent: Any = raw
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = data.draw(PLAIN | st.sampled_from([0, 1, 2, 4096, 2**40, "", "code"]))
    assert loader.outcome(with_manifest(good, encode(raw))) in {
        ExitCode.OK,
        INTEGRITY,
        INCOMPATIBLE,
    }
