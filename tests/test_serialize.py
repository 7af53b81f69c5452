"""Graphs as bytes: the same bytes for equal graphs, and nothing but an error for other bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import msgpack
import pytest

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.serialize import MAX_NESTING, dump, load
from ncc.ir.text.parser import parse
from ncc.ir.text.printer import to_text

TEXT = """\
graph @g(%x: f32[n, 4], %ids: seq<i64[?]>) from "model.onnx" {
  %0 = constant [[1.0, 0x7fc00001, -0.0, inf]] : f32[1, 4]    @ "/const"
  %1 = add(%x, %0) : f32[n, 4]    @ "/add" Add, "/bias" in "other.onnx"
  %2 = transpose(%1) {perm = [1, 0]} : f32[4, n]
  %3, %4 = fused(%2) {body = graph @body(%a: f32[4, n]) {
    %0 = clip(%a) {min = -1.0} : f32[4, n]    @ "/clip"
    %1 = cast(%0) {to = bf16} : bf16[4, n]    @ "/clip"
    return %0, %1
  }} : f32[4, n], bf16[4, n]    @ "/clip"
  %5 = constant ["a", "naïve"] : string[2]
  return %4 as "y", %3, %ids, %5
}
"""
DATA = dump(parse(TEXT))


def test_what_is_read_is_what_was_written() -> None:
    graph = load(DATA)
    assert to_text(graph) == TEXT
    assert dump(graph) == DATA


def test_equal_graphs_give_equal_bytes_in_another_process() -> None:
    script = (
        "import sys; from ncc.ir.serialize import dump; from ncc.ir.text.parser import parse;"
        "sys.stdout.buffer.write(dump(parse(sys.stdin.read())))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], input=TEXT.encode(), capture_output=True, check=True
    )
    assert run.stdout == DATA


def test_reading_loads_neither_grammar_nor_importer() -> None:
    script = (
        "import sys; from ncc.ir.serialize import load; load(sys.stdin.buffer.read());"
        "print(sorted({'lark', 'onnx', 'llvmlite', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], input=DATA, capture_output=True, check=True
    )
    assert run.stdout.decode().strip() == "[]"


def test_a_weight_is_not_stored() -> None:
    graph = parse('graph @g() {\n  %0 = weight "w" : f32[2]\n  return %0\n}')
    with pytest.raises(AssertionError, match="weight 'w' is stored apart"):
        dump(graph)


def refused(data: bytes) -> str:
    with pytest.raises(NccError) as caught:
        load(data)
    assert caught.value.code == "graph-data"
    assert caught.value.exit is ExitCode.INTEGRITY
    return caught.value.message


@pytest.mark.parametrize("length", [0, 1, 2, 10, len(DATA) // 2, len(DATA) - 1])
def test_a_part_is_refused(length: int) -> None:
    refused(DATA[:length])


def test_more_than_a_graph_is_refused() -> None:
    refused(DATA + b"\0")


def changed(path: tuple[int, ...], value: Any) -> bytes:
    """The stored graph with one item replaced."""
    whole = msgpack.unpackb(DATA, unicode_errors="surrogatepass")
    place = whole
    for index in path[:-1]:
        place = place[index]
    place[path[-1]] = value
    return bytes(msgpack.packb(whole, unicode_errors="surrogatepass"))


NODES = (2, 2)
ADD, TRANSPOSE, CLIP = 1, 2, 3
DAMAGE: dict[str, tuple[tuple[int, ...], Any, str]] = {
    "another version": ((0,), 2, "version 2"),
    "no such op": ((*NODES, ADD, 0), "ad", "no op 'ad'"),
    "a weight": ((*NODES, ADD, 0), "weight", "no op 'weight'"),
    "an op that is no name": ((*NODES, ADD, 0), 7, "7 is no str"),
    "a value of a later node": ((*NODES, ADD, 2), [0, 3], "no value 3"),
    "a value before the first": ((*NODES, ADD, 2), [0, -1], "no value -1"),
    "a value that is no number": ((*NODES, ADD, 2), [0, True], "True is no int"),
    "too many operands": ((*NODES, ADD, 2), [0, 0, 0], "add has 3 operands"),
    "operands that do not fit": ((*NODES, ADD, 2), [0, 1], "add does not fit"),
    "a missing attribute": ((*NODES, TRANSPOSE, 1), [], "a list of 1 is missing"),
    "an attribute of another kind": ((*NODES, TRANSPOSE, 1), [["1", 0]], "'1' is no int"),
    "an attribute that does not fit": ((*NODES, TRANSPOSE, 1), [[1, 1]], "does not fit"),
    "a location that is none": ((*NODES, ADD, 3), [99], "no location 99"),
    "elements that do not fill their type": ((*NODES, 0, 1, 0, 1), b"1234", "does not fill"),
    "elements of no size": ((*NODES, 0, 1, 0, 0, 1), ["?"], "has no sizes"),
    "elements of a negative size": ((*NODES, 0, 1, 0, 0, 1), [-1, -4], "is no size"),
    "an element type that is none": ((*NODES, 0, 1, 0, 0, 0), "f33", "no element type"),
    "strings that are not JSON": ((*NODES, 4, 1, 0, 1), b"[", "does not hold its strings"),
    "strings of another number": ((*NODES, 4, 1, 0, 1), b'["a"]', "does not hold its strings"),
    "strings that are numbers": ((*NODES, 4, 1, 0, 1), b"[1, 2]", "does not hold its strings"),
    "a size with unsorted symbols": (
        (2, 1, 0, 1, 1),
        [[0, [["n", 1], ["m", 1]]]],
        "normal form",
    ),
    "outputs without names": ((2, 4), [], "a list of 4 is missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str) -> None:
    path, value, message = DAMAGE[name]
    assert message in refused(changed(path, value))


def test_deep_nesting_is_refused() -> None:
    type: Any = ["f32", []]
    for _ in range(MAX_NESTING + 2):
        type = ["seq", type]
    assert "types are nested too deep" in refused(changed((2, 1, 0, 1), type))
    graph = msgpack.unpackb(DATA, unicode_errors="surrogatepass")[2]
    for _ in range(MAX_NESTING + 1):
        graph = ["g", [], [["fused", [graph], [], []]], [], []]
    assert "graphs are nested too deep" in refused(changed((2,), graph))
    refused(b"\x91" * 100_000)


def code_of(data: bytes) -> str:
    """The code of the error that `data` gives; empty for a graph."""
    try:
        load(data)
    except NccError as error:
        return error.code
    return ""


def test_random_damage_gives_a_graph_or_the_error() -> None:
    source = random.Random(0)
    seen = set()
    for _ in range(500):
        data = bytearray(DATA)
        for _ in range(source.choice([1, 1, 2, 5])):
            data[source.randrange(len(data))] = source.randrange(256)
        seen.add(code_of(bytes(data)))
    assert seen == {"", "graph-data"}
