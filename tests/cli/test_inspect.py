"""ncc inspect, disasm and verify: what is in a bundle, and whether it is sound."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import ncc as product
from ncc.backends.cpu.target import resolve
from ncc.backends.interface import NATIVE
from ncc.neff.format import Manifest
from ncc.neff.reader import open_bundle
from ncc.neff.writer import Source, write
from tests import tiny_bundles
from tests.cli.command_line import DIGITS, ncc

Change = Callable[[bytes], bytes]


def changed(folder: Path, kind: str, change: Change) -> Path:
    """A sound bundle of the digits model in which the section of a kind holds something else."""
    bundle = product.compile(DIGITS, dims={"batch": 1})

    def replaced(source: Source) -> Source:
        if source.kind != kind:
            return source
        data = change(b"".join(map(bytes, source.chunks())))
        return tiny_bundles.source(source.name, kind, data)

    path = folder / "changed.neff"
    write(path, bundle.manifest, [replaced(source) for source in bundle.sources])
    return path


def tiny(folder: Path, change: Callable[[Manifest], Manifest] = lambda made: made) -> Path:
    """A bundle that was made without the compiler."""
    path = folder / "tiny.neff"
    write(path, change(tiny_bundles.manifest()), tiny_bundles.sources())
    return path


def for_another_cpu(made: Manifest) -> Manifest:
    return made._replace(variants=(made.variants[0]._replace(features=("warp",)),))


# inspect


def test_inspect_shows_everything_as_json(digits: Path) -> None:
    found = ncc("inspect", digits, "--format", "json").json
    with open_bundle(digits) as bundle:
        manifest, header = bundle.manifest, bundle.header
        places = {section.name: bundle.offset(section) for section in manifest.sections}
    (variant,) = manifest.variants
    assert found["uuid"].replace("-", "") == header.uuid.hex()
    assert found["options"] == manifest.options
    assert found["inputs"] == [{"name": "image", "dtype": "f32", "shape": [1, 1, 8, 8]}]
    assert found["outputs"] == [{"name": "probability", "dtype": "f32", "shape": [1, 10]}]
    (shown,) = found["variants"]
    assert (shown["target"], shown["runs_here"]) == (variant.target, True)
    assert shown["features"] == list(variant.features)
    assert [kernel["name"] for kernel in shown["kernels"]] == [k.name for k in variant.kernels]
    assert shown["kernels"][0]["sources"] == list(variant.kernels[0].sources)
    assert {section["name"]: section["offset"] for section in found["sections"]} == places
    assert found["arena_bytes"] == shown["programs"][0]["arena_bytes"]


def test_inspect_shows_tables(digits: Path) -> None:
    text = ncc("inspect", digits).out
    titles = [part.splitlines()[0] for part in text.split("\n\n")]
    with open_bundle(digits) as bundle:
        target = bundle.manifest.variants[0].target
    assert titles == [
        str(digits),
        "signature",
        "targets, best first",
        "sections",
        f"kernels for {target}",
    ]
    assert "node '/Softmax' (onnx Softmax)" in text


def test_inspect_lists_what_runs_on_the_host(mixed: Path) -> None:
    assert "on the host\n" in ncc("inspect", mixed).out
    found = ncc("inspect", mixed, "--format", "json").json
    assert found["variants"][0]["programs"][0]["host_segments"] == 1
    assert "'/nonzero'" in next(iter(found["host_reasons"]))


def test_inspect_reads_bundles_that_tell_less(tmp_path: Path) -> None:
    result = ncc("inspect", tiny(tmp_path))
    assert result.code == 0
    assert "arena       unknown, lower bound unknown" in result.out


def test_inspect_says_why_this_machine_cannot_run_a_bundle(tmp_path: Path) -> None:
    path = tiny(tmp_path, for_another_cpu)
    assert "no: needs warp" in ncc("inspect", path).out
    (variant,) = ncc("inspect", path, "--format", "json").json["variants"]
    assert (variant["runs_here"], variant["reason"]) == (False, "needs warp")
    assert "needs warp" in ncc("run", path, "--input", "random").fails(6, "incompatible-bundle")


def test_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = tiny(tmp_path, lambda made: made._replace(source="\x1b[2J\n\x07"))
    assert "\\x1b[2J\\n\\x07" in ncc("inspect", path).out


# disasm


def test_disasm_makes_the_code_of_every_kernel_again(digits: Path) -> None:
    found = ncc("disasm", digits, "--format", "json").json
    kernels = ncc("inspect", digits, "--format", "json").json["variants"][0]["kernels"]
    assert [kernel["name"] for kernel in found["kernels"]] == [k["name"] for k in kernels]
    assert all(kernel["as_in_bundle"] for kernel in found["kernels"])


def test_disasm_shows_one_kernel(digits: Path) -> None:
    text = ncc("disasm", digits, "--kernel", "k0").out
    assert text.startswith("k0  ")
    assert "  from digits.onnx, node '/Div' (onnx Div)" in text
    assert "  kernel kernel(p0: out f32[100]) {" in text
    assert "the bytes in the bundle" in text
    assert "NOT" not in text
    assert "ret" in text.splitlines()[-20:] or "retq" in text
    assert "k1  " not in text


def test_disasm_says_when_the_code_is_not_that_of_the_loops(tmp_path: Path) -> None:
    path = changed(tmp_path, "code", lambda code: code[:3] + b"\x90" + code[4:])
    assert ncc("verify", path).code == 0
    first, *others = ncc("disasm", path, "--format", "json").json["kernels"]
    assert not first["as_in_bundle"]
    assert all(kernel["as_in_bundle"] for kernel in others)
    assert "NOT the bytes in the bundle" in ncc("disasm", path, "--kernel", "k0").out


def test_disasm_names_the_kernels_when_there_is_none_of_that_name(digits: Path) -> None:
    error = ncc("disasm", digits, "--kernel", "k99").fails(2, "unknown-kernel")
    assert "it has k0 to k" in error


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: b"\xff" + text[1:], "is no text"),
        (lambda text: text[:-8], "not parse"),
        (lambda text: b"", "and text of 0"),
        (lambda text: text.replace(b"{", b"("), "not parse"),
        (lambda text: text.replace(b"p1[", b"p0["), "no sense"),
    ],
)
def test_disasm_refuses_text_that_cannot_be(tmp_path: Path, change: Change, reason: str) -> None:
    path = changed(tmp_path, "debug", change)
    assert reason in ncc("disasm", path).fails(7, "damaged-bundle")


def test_disasm_refuses_an_order_that_cannot_be(tmp_path: Path) -> None:
    def cut(text: bytes) -> bytes:
        return re.sub(rb"(panels \d+, \d+, \d+)", rb"\1 order 1, 4099", text)

    result = ncc("disasm", changed(tmp_path, "debug", cut))
    assert result.code == 7
    assert "no equal parts: 4099" in result.err


def test_disasm_needs_the_text_of_the_kernels(tmp_path: Path) -> None:
    bundle = product.compile(DIGITS, dims={"batch": 1})
    write(tmp_path / "d.neff", bundle.manifest, bundle.sources[:-1])
    ncc("disasm", tmp_path / "d.neff").fails(6, "no-debug-text")


# verify


def test_verify_tells_what_was_checked(mixed: Path) -> None:
    lines = ncc("verify", mixed).out.splitlines()
    assert lines[0] == f"{mixed} is sound"
    checked = [line.split("  ")[1] for line in lines[2:]]
    target = resolve(NATIVE).name
    sections = (f"code.{target}", "weights", "graph0", f"kernels.{target}")
    assert checked[:4] == ["header", "manifest", "layout", "programs"]
    assert checked[4:8] == [f"section {name}" for name in sections]
    found = ncc("verify", mixed, "--format", "json").json
    assert found["sound"] is True
    assert len(found["checks"]) == len(checked)


def test_verify_finds_a_changed_bit_anywhere(digits: Path, tmp_path: Path) -> None:
    good, path = digits.read_bytes(), tmp_path / "bad.neff"
    for place in (30, 1100, *range(8192, len(good), len(good) // 7)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        ncc("verify", path).fails(7, "damaged-bundle")


@pytest.mark.parametrize("command", ["verify", "inspect", "run", "bench", "disasm"])
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 5000, -1])
def test_bundles_cut_short_are_damaged(
    digits: Path, tmp_path: Path, command: str, size: int
) -> None:
    path = tmp_path / "short.neff"
    path.write_bytes(digits.read_bytes()[:size])
    ncc(command, path).fails(7, "damaged-bundle")


def test_verify_refuses_another_major_version(digits: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.neff"
    data = digits.read_bytes()
    path.write_bytes(data[:8] + bytes([data[8] + 1]) + data[9:])
    ncc("verify", path).fails(6, "incompatible-bundle")


def test_a_bundle_for_another_cpu_is_sound(tmp_path: Path) -> None:
    result = ncc("verify", tiny(tmp_path, for_another_cpu))
    assert result.code == 0
    assert "does not run here: needs warp" in result.out


def test_verify_reads_the_graphs_of_host_segments(tmp_path: Path, mixed: Path) -> None:
    with open_bundle(mixed) as bundle:
        manifest = bundle.manifest
        held = {section.name: bundle.read(section.name) for section in manifest.sections}
    held["graph0"] = held["graph0"][:-1] + b"\xff"
    sources = [
        tiny_bundles.source(section.name, section.kind, held[section.name])
        for section in manifest.sections
    ]
    write(tmp_path / "m.neff", manifest, sources)
    ncc("verify", tmp_path / "m.neff").fails(7, "graph-data")


@pytest.mark.parametrize("command", ["verify", "inspect", "run", "bench", "disasm"])
def test_bundles_that_cannot_be_read(tmp_path: Path, command: str) -> None:
    ncc(command, tmp_path / "absent.neff").fails(2, "unreadable-bundle")
    assert "is a directory" in ncc(command, tmp_path).fails(2, "unreadable-bundle")
