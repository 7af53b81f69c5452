"""The bundle file: what is written is read, whole or not at all, the same bytes every time."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import tracemalloc
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import ncc
from ncc.diagnostics import ExitCode
from ncc.neff import format
from ncc.neff.reader import open_bundle
from ncc.neff.writer import Source, write
from tests.tiny_bundles import SIZE, WEIGHTS, image, manifest, save, source, sources

ROOT = Path(__file__).resolve().parent.parent


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(code: str, exit: ExitCode, act: Callable[[], object]) -> str:
    """The text of the NccError that `act` raises."""
    with pytest.raises(ncc.NccError) as caught:
        act()
    assert (caught.value.code, caught.value.exit) == (code, exit), caught.value
    return str(caught.value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")
    with open_bundle(path) as bundle:
        assert bundle.manifest._replace(sections=()) == manifest()
        assert bundle.read("code") == image()[0]
        assert bundle.read("weights") == WEIGHTS.tobytes()
        assert bundle.read("loops") == b"for i in 0..1000"
        assert bundle.header.name == "tiny.onnx"
        assert bundle.header.features == format.Feature.MACHINE_CODE
        bundle.verify()


def documented_digest(data: bytes) -> bytes:
    parts = [data[start : start + (1 << 20)] for start in range(0, len(data), 1 << 20)]
    digests = (hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(b"".join(digests)).digest()


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")
    data = path.read_bytes()
    size = int.from_bytes(data[32:40], "little")
    start = -(-(1024 + size) // 4096) * 4096
    covered = bytearray(data)
    covered[: 1024 + size] = bytes(1024 + size)
    with open_bundle(path) as bundle:
        for section in bundle.manifest.sections:
            at = start + section.offset
            assert section.alignment == format.ALIGNMENTS[section.kind]
            assert at % section.alignment == 0
            assert documented_digest(data[at : at + section.size]) == section.digest
            covered[at : at + section.size] = bytes(section.size)
    assert at + section.size == len(data) == int.from_bytes(data[24:32], "little")
    assert not any(covered), "what belongs to no part is zero"


def test_the_uuid_is_of_the_contents(tmp_path: Path) -> None:
    def uuid(weights: bytes) -> bytes:
        parts = sources()
        parts[1] = source("weights", "weights", weights)
        write(tmp_path / "a.neff", manifest(), parts)
        with open_bundle(tmp_path / "a.neff") as bundle:
            return bundle.header.uuid

    ones, twos = b"\1" * 4000, b"\2" * 4000
    assert uuid(ones) == uuid(ones) != uuid(twos)
    assert uuid(ones)[6] >> 4 == 8
    assert uuid(ones)[8] >> 6 == 2


def test_a_long_name_is_cut_between_characters(tmp_path: Path) -> None:
    write(tmp_path / "a.neff", manifest()._replace(source="a" + "\u00e9" * 200), sources())
    with open_bundle(tmp_path / "a.neff") as bundle:
        assert bundle.header.name == "a" + "\u00e9" * 127


SAVE = """
import sys
from pathlib import Path
from tests.tiny_bundles import save
save(Path(sys.argv[1]))
"""


def test_bytes_do_not_depend_on_the_surroundings(tmp_path: Path) -> None:
    here = save(tmp_path / "here.neff").read_bytes()
    (tmp_path / "deeper").mkdir()
    there = tmp_path / "deeper" / "there.neff"
    surroundings = {
        "PYTHONHASHSEED": "17",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(
        [sys.executable, "-c", SAVE, there], env=surroundings, cwd=tmp_path / "deeper", check=True
    )
    assert there.read_bytes() == here


def test_weights_are_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    block = bytes(1 << 20)
    big = Source("weights", "weights", 48 << 20, lambda: iter([block] * 48))
    tracemalloc.start()
    write(tmp_path / "big.neff", manifest(), [sources()[0], big])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "big.neff").stat().st_size > 48 << 20
    assert peak < 8 << 20


class UnforeseenError(Exception):
    """Something that no part of ncc raises."""


def failing(error: BaseException) -> Source:
    def parts() -> Iterator[bytes]:
        yield bytes(SIZE)
        raise error

    return Source("weights", "weights", 4 * SIZE, parts)


@pytest.mark.parametrize("error", [UnforeseenError(), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "tiny.neff"
    path.write_text("before")
    with pytest.raises(type(error)):
        write(path, manifest(), [sources()[0], failing(error)])
    assert path.read_text() == "before"
    assert leftovers(tmp_path) == ["tiny.neff"]


def test_a_source_that_lies_about_its_size_is_our_bug(tmp_path: Path) -> None:
    short = Source("weights", "weights", 4 * SIZE, lambda: iter([b"short"]))
    with pytest.raises(AssertionError, match="gave 5 of 4000 bytes"):
        write(tmp_path / "tiny.neff", manifest(), [sources()[0], short])
    assert leftovers(tmp_path) == []


def test_the_trial_sees_a_working_bundle_before_its_name_exists(tmp_path: Path) -> None:
    path = tmp_path / "tiny.neff"
    seen = []

    def trial(written: Path) -> None:
        assert written.parent == tmp_path
        assert not path.exists()
        seen.append(ncc.load(written).outputs)

    write(path, manifest(), sources(), trial)
    assert seen == [manifest().outputs]
    assert leftovers(tmp_path) == ["tiny.neff"]


def test_a_bundle_that_fails_its_trial_gets_no_name(tmp_path: Path) -> None:
    def trial(written: Path) -> None:
        raise UnforeseenError

    with pytest.raises(UnforeseenError):
        write(tmp_path / "tiny.neff", manifest(), sources(), trial)
    assert leftovers(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from ncc.neff.writer import Source, write
from tests.tiny_bundles import manifest, sources

def parts():
    yield bytes(1000)
    os.kill(os.getpid(), signal.SIGKILL)

write(Path(sys.argv[1]), manifest(), [sources()[0], Source("weights", "weights", 4000, parts)])
"""


def test_a_killed_write_leaves_no_bundle_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "tiny.neff"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, path], env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (name,) = leftovers(tmp_path)
    assert re.fullmatch(r"\.ncc-[0-9a-f]{16}\.partial", name)
    save(path)
    assert leftovers(tmp_path) == ["tiny.neff"]


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    def trial(written: Path) -> None:
        save(tmp_path / "other.neff")
        assert written.exists()

    write(tmp_path / "tiny.neff", manifest(), sources(), trial)
    assert leftovers(tmp_path) == ["other.neff", "tiny.neff"]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_is_a_resource_error(tmp_path: Path) -> None:
    with file_size_limit(6000):
        text = refused("disk-full", ExitCode.RESOURCE, lambda: save(tmp_path / "tiny.neff"))
    assert str(tmp_path / "tiny.neff") in text
    assert leftovers(tmp_path) == []


def test_a_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused("disk-full", ExitCode.RESOURCE, lambda: save(tmp_path / "tiny.neff"))
    assert leftovers(tmp_path) == []


def make_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


WRONG_TARGETS: dict[str, Callable[[Path], Path]] = {
    "a folder": lambda folder: folder,
    "a folder that is not there": lambda folder: folder / "absent" / "tiny.neff",
    "a folder that takes no files": lambda folder: Path("/proc/tiny.neff"),
    "a pipe": make_pipe,
    "a device": lambda folder: Path("/dev/null"),
    "a name that is too long": lambda folder: folder / ("x" * 300),
}


@pytest.mark.parametrize("where", WRONG_TARGETS.values(), ids=WRONG_TARGETS.keys())
def test_a_wrong_target_is_a_usage_error(tmp_path: Path, where: Callable[[Path], Path]) -> None:
    path = where(tmp_path)
    before = leftovers(tmp_path)
    assert str(path) in refused("output-path", ExitCode.USAGE, lambda: save(path))
    assert leftovers(tmp_path) == before


def test_a_device_is_still_a_device() -> None:
    refused("output-path", ExitCode.USAGE, lambda: save(Path("/dev/null")))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.neff").symlink_to("tiny.neff")
    save(tmp_path / "link.neff")
    assert (tmp_path / "link.neff").is_symlink()
    ncc.load(tmp_path / "tiny.neff")


def test_a_bundle_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert save(tmp_path / "tiny.neff").stat().st_mode == (tmp_path / "plain").stat().st_mode


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table of docs/neff.md by its heading, cells without backticks."""
    found: dict[str, list[list[str]]] = {}
    for line in (ROOT / "docs" / "neff.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith("| ---"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[1:] for heading, rows in found.items()}


def test_the_documented_header_is_the_format() -> None:
    kinds = {"I": "u32", "Q": "u64"}
    assert [row[:4] for row in tables()["Header"]] == [
        [str(field.offset), str(field.size), field.name, kinds.get(field.code, "bytes")]
        for field in format.HEADER_FIELDS
    ]
    assert sum(field.size for field in format.HEADER_FIELDS) == format.HEADER_SIZE == 1024
    magic = tables()["Header"][0][4].strip("`")
    assert bytes.fromhex(magic) == format.MAGIC


def type_text(hint: Any) -> str:
    """How the document writes a type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        texts = [type_text(arg) for arg in args]
        return " or ".join(f"({text})" if " " in text else text for text in texts)
    if origin is tuple:
        text = type_text(args[0])
        return f"list of ({text})" if " " in text else f"list of {text}"
    if origin is dict:
        return f"map of {type_text(args[1])}"
    return {object: "anything", types.NoneType: "nil"}.get(hint) or str(hint.__name__)


STRUCTURES = (
    format.Manifest,
    format.TensorSpec,
    format.Variant,
    format.Program,
    format.ValueSpec,
    format.Segment,
    format.Kernel,
    format.Yardstick,
    format.Section,
)


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)
def test_a_documented_structure_is_the_format(structure: Any) -> None:
    hints = get_type_hints(structure)
    rows = tables()[structure.__name__]
    assert [row[:2] for row in rows] == [
        [field, type_text(hints[field])] for field in structure._fields
    ]


def number(text: str) -> int:
    """16, or 2^16."""
    return 1 << int(text[2:]) if text.startswith("2^") else int(text)


def test_the_documented_constants_are_the_format() -> None:
    found = tables()
    assert {row[1]: 1 << int(row[0]) for row in found["Features"]} == {
        str(bit.name): bit.value for bit in format.Feature
    }
    assert {row[0]: int(row[1]) for row in found["Kinds"]} == format.ALIGNMENTS
    assert {row[0]: int(row[1]) for row in found["Element types"]} == format.ITEM_SIZES
    assert {name: number(text) for name, text, _ in found["Limits"]} == {
        name: value for name, value in vars(format).items() if name.startswith("MAX_")
    }
