"""ncc opt, list-operators, list-targets and explain."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ncc.backends.cpu.target import TARGETS, resolve
from ncc.backends.interface import NATIVE
from ncc.backends.registry import BACKENDS
from ncc.cli.explain import Explanation, explanations
from ncc.cli.group import COMMANDS, group
from ncc.cli.operators import operators
from ncc.compiler import import_model, phases_after, run_phases
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.ops.segment import Segment
from ncc.options import AutoCast, Options
from tests.cli.command_line import ROOT, ncc, ncc_process
from tests.suite.case import Case, all_cases

TEXT = """\
graph @g(%x: f32[8, 4]) {
  %0 = transpose(%x) {perm = [1, 0]} : f32[4, 8]
  %1 = transpose(%0) {perm = [1, 0]} : f32[8, 4]
  %2 = relu(%1) : f32[8, 4]
  return %2
}
"""
SHORT = "graph @g(%x: f32[8, 4]) {\n  %0 = relu(%x) : f32[8, 4]\n  return %0\n}\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "g.ncc"
    path.write_text(TEXT)
    return path


def test_opt_without_passes_prints_what_it_read(text: Path) -> None:
    assert ncc("opt", text).out == TEXT


def test_opt_runs_passes_in_order(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    result = ncc("opt", "-p", "canonicalize, cse", text, "--dump-dir", folder)
    assert (result.out, result.err) == (SHORT, "")
    dumped = {path.name: path.read_text() for path in folder.iterdir()}
    assert dumped == {
        "00-import.ncc": TEXT,
        "01-canonicalize.ncc": SHORT,
        "02-cse.ncc": SHORT,
    }


def test_opt_traces_on_stderr(text: Path) -> None:
    result = ncc("opt", "-p", "canonicalize", "--trace", text)
    assert result.out == SHORT
    assert "merge_transposes: transpose %1" in result.err.splitlines()


def test_opt_reads_stdin(text: Path) -> None:
    with text.open("rb") as file:
        assert ncc_process("opt", "-p", "canonicalize", "-", stdin=file).out == SHORT


def test_opt_says_that_stdin_is_closed() -> None:
    result = ncc_process("opt", "-", stdin=None, preexec_fn=partial(os.close, 0))
    assert "it is closed" in result.fails(2, "model-file")


@pytest.mark.parametrize(
    ("passes", "code", "name"),
    [
        ("canonicalise", 2, "unknown-pass"),
        ("place", 2, "backend-pass"),
        ("cse(", 4, "parse"),
        ("autocast(to = f99)", 4, "parse"),
    ],
)
def test_opt_refuses_passes(text: Path, passes: str, code: int, name: str) -> None:
    ncc("opt", "-p", passes, text).fails(code, name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "parse"),
        (b"\xff\xfe", "parse"),
        (TEXT.encode()[:-20], "parse"),
        (TEXT.replace("relu", "rleu").encode(), "parse"),
        (TEXT.replace(" : f32[4, 8]", " : f32[8, 4]").encode(), "type-mismatch"),
        (TEXT.replace("[1, 0]", "[1, 1]").encode(), "shape"),
    ],
)
def test_opt_refuses_text(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "bad.ncc"
    path.write_bytes(content)
    assert "bad.ncc" in ncc("opt", path).fails(4, name)


def test_opt_refuses_files_that_cannot_be_read(tmp_path: Path) -> None:
    ncc("opt", tmp_path / "absent.ncc").fails(2, "model-file")
    ncc("opt", tmp_path).fails(2, "model-file")


# list-operators


def test_operators_are_listed_with_versions_and_places() -> None:
    found = {item["name"]: item for item in ncc("list-operators", "--format", "json").json}
    assert found["Relu"] == {
        "domain": "",
        "name": "Relu",
        "versions": [6, 13, 14],
        "runs": ["device"],
        "parts": ["relu"],
    }
    assert found["Conv"]["runs"] == ["device"]
    assert found["NonZero"]["runs"] == ["host"]
    assert found["Reshape"]["runs"] == ["device", "host"]
    assert found["Softmax"]["runs"] == ["device"]
    assert found["Resize"]["versions"][0] == 10


def test_operators_are_listed_as_text() -> None:
    lines = ncc("list-operators").out.splitlines()
    assert lines[0] == f"{len(lines) - 2} operators"
    assert ["Relu", "device", "6, 13, 14"] in [line.split(maxsplit=2) for line in lines]


def one_of_each() -> Iterator[Case]:
    """The first case of each operator alone, with no constant operands, with one and so on."""
    seen = set()
    for case in all_cases():
        node, *others = case.model.graph.node
        key = (node.domain, node.op_type, len(case.model.graph.initializer))
        if not others and key not in seen:
            seen.add(key)
            yield case


def test_operators_run_where_the_list_says() -> None:
    listed = {(item.domain, item.name): set(item.runs) for item in operators()}
    options, target = Options(auto_cast=AutoCast.none), resolve("x86-64-v3")
    wrong = []
    for case in one_of_each():
        graph = run_phases(
            import_model(case.model, options), options, target, phases_after("import", "place")
        )
        segments = [node.op for node in graph.nodes if isinstance(node.op, Segment)]
        found = {op.placement.value for op in segments if _by_kind_of_op(op)}
        (node,) = case.model.graph.node
        if not found <= listed[node.domain, node.op_type]:
            wrong.append(f"{case} runs on {found}")
    assert wrong == []


def _by_kind_of_op(segment: Segment) -> bool:
    """Whether a segment is where it is for its ops, rather than for the types of the case."""
    types = {value.tensor.dtype.value for node in segment.body.nodes for value in node.results}
    return segment.placement.value == "device" or types <= {"f32", "i64", "bool"}


# list-targets


def test_targets_are_listed_with_what_they_need() -> None:
    found = ncc("list-targets", "--format", "json").json
    assert [item["name"] for item in found["targets"]] == list(TARGETS)
    assert [item["name"] for item in found["targets"] if item["native"]] == [found["native"]]
    assert found["native"] == resolve(NATIVE).name
    first = found["targets"][0]
    assert first["features"] == list(TARGETS[first["name"]].flags)
    assert first["f32_lanes"] == 8
    assert first["products"] == ["f32"]
    assert found["targets"][3]["products"] == ["f32", "bf16", "i8"]


def test_targets_say_what_this_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    few = frozenset(TARGETS["x86-64-v3"].flags)
    backends = [replace(backend, host=lambda: few) for backend in BACKENDS]
    monkeypatch.setattr("ncc.cli.list_targets.BACKENDS", backends)
    lines = ncc("list-targets").out.splitlines()
    assert lines[2].split()[:2] == ["x86-64-v3", "yes"]
    assert "no: lacks avx512bw" in lines[3]


# explain


def raised() -> Iterator[tuple[str, str]]:
    """Every error code in the source with the name of its exit code."""
    for path in sorted((ROOT / "ncc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from _codes(node, path.name)


def _codes(call: ast.Call, file: str) -> Iterator[tuple[str, str]]:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    exit = given.get("exit")
    name = exit.attr if isinstance(exit, ast.Attribute) else "INVALID_MODEL"
    if isinstance(call.func, ast.Name) and call.func.id == "NccError":
        code = call.args[0]
        assert isinstance(code, ast.Constant | ast.Name), f"{file}:{call.lineno}: a computed code"
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "error":
        code = given.get("code", call)
    else:
        return
    if isinstance(code, ast.Constant):
        yield str(code.value), name


def test_every_error_is_explained_with_its_exit_codes() -> None:
    exits: dict[str, set[int]] = {}
    for code, name in raised():
        exits.setdefault(code, set()).add(ExitCode[name])
    assert {code: set(found.exits) for code, found in explanations().items()} == exits


@pytest.mark.parametrize("found", explanations().values(), ids=explanations())
def test_explanations_are_sentences(found: Explanation) -> None:
    for text in (found.means, found.why, found.fix):
        assert text[0].isupper() or text.startswith(("onnx", "ncc", "--"))
        assert text.endswith(".")


def test_explain_prints_one_error(text: Path) -> None:
    lines = ncc("explain", "unknown-pass").out.splitlines()
    assert lines[0] == "error[unknown-pass], exit code 2"
    assert [line for line in lines if line and line[0] != " "][1:] == ["means", "why", "what to do"]
    found = ncc("explain", "unknown-pass", "--format", "json").json
    assert found["exit_codes"] == [2]


def test_explain_lists_all() -> None:
    assert len(ncc("explain").out.splitlines()) == 2 + len(explanations())
    found = ncc("explain", "--format", "json").json
    assert [item["code"] for item in found] == list(explanations())


def test_explain_suggests_codes() -> None:
    assert "did you mean 'signature'?" in ncc("explain", "sgnature").fails(2, "unknown-code")


# the group


def test_help_says_what_each_command_says_of_itself() -> None:
    for name, summary in COMMANDS.items():
        text = ncc(name, "--help").out
        assert text.startswith(f"Usage: ncc {name} ")
        assert summary in ncc("--help").out
        assert group.get_command(None, name) is not None  # type: ignore[arg-type]  # not read


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    command = group.get_command(None, name)  # type: ignore[arg-type]  # not read
    assert command is not None
    options = [option for parameter in command.params for option in parameter.opts]
    assert f"ncc {name}" in page
    assert [option for option in options if option.startswith("-") and option not in page] == []


def test_codes_are_not_reused() -> None:
    assert len(set(ExitCode)) == len(ExitCode.__members__)
    assert NccError("x", "y").exit is ExitCode.INVALID_MODEL
