"""A new op is one class in one file: everything that reads graphs takes it as it is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.compiler import compile_graph
from ncc.diagnostics import NccError
from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.op import OPS, load_ops
from ncc.ir.serialize import dump, load
from ncc.ir.text.parser import parse
from ncc.ir.text.printer import to_text
from ncc.ir.verify import verify
from ncc.options import AutoCast, Options
from ncc.passes import read_steps, run_passes

SWITCH = '''\
"""switch_blend: a step from one side to the other, as steep as one likes."""

from enum import Enum

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Elementwise, op
from ncc.ir.rewrite import P, Skip, V, canonical
from ncc.ir.scalar import Math, Scalar


class Side(Enum):
    left = "left"
    right = "right"


@op("switch_blend")
class SwitchBlend(Elementwise):
    """a + (b - a) * sigmoid(steepness * (b - a)), seen from one side."""

    steepness: float = 1.0
    side: Side = Side.left
    anchors: tuple[int, ...] = ()

    def scalar(self, m: Math, a: Scalar, b: Scalar) -> Scalar:
        gap = b - a if self.side is Side.left else a - b
        return a + gap / (1.0 + m.exp(-self.steepness * gap))


@canonical(P(SwitchBlend, V("x"), V("x")))
def nothing_between(build: Builder, x: Value) -> Value | Skip:
    """switch_blend(x, x) -> x"""
    return x if x.tensor.dtype.is_float else Skip("only floats are blended")
'''

TEXT = """\
graph @g(%x: f32[2, 3], %y: f32[3]) {
  %0 = switch_blend(%x, %y) {steepness = 2.5, side = right, anchors = [1, -2]} : f32[2, 3]
  return %0
}
"""


@pytest.fixture(scope="module", autouse=True)
def switch_blend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The op, loaded from a file that is no part of the package."""
    load_ops()
    path = tmp_path_factory.mktemp("ops") / "switch_blend.py"
    path.write_text(SWITCH, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("switch_blend", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["switch_blend"] = module
    spec.loader.exec_module(module)
    yield
    del OPS["switch_blend"], sys.modules["switch_blend"]


@pytest.fixture
def graph() -> Graph:
    return parse(TEXT)


def test_text(graph: Graph) -> None:
    assert to_text(graph) == TEXT


def test_errors_name_its_attributes() -> None:
    with pytest.raises(NccError, match="'up' is not one of left, right"):
        parse(TEXT.replace("right", "up"))
    with pytest.raises(NccError, match="switch_blend takes 2 operands, not 1"):
        parse(TEXT.replace("%x, %y)", "%x)"))


def test_bytes(graph: Graph) -> None:
    assert to_text(load(dump(graph))) == TEXT


def test_verifier(graph: Graph) -> None:
    verify(graph)


def test_interpreter(graph: Graph) -> None:
    x = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], np.float32)
    y = np.array([1.0, 1.0, -1.0], np.float32)
    (found,) = interpret(graph, [x, y])
    expected = x + (x - y) / (1.0 + np.exp(-2.5 * (x - y)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_its_algebra_is_part_of_canonicalize() -> None:
    graph = parse(TEXT.replace("%x, %y)", "%x, %x)"))
    after = run_passes(graph, read_steps("canonicalize"))
    assert not after.nodes
    assert after.outputs == graph.inputs[:1]


def test_codegen(graph: Graph, tmp_path: Path) -> None:
    """It becomes machine code, alone on the device, with no host segment."""
    compiled = compile_graph(graph, Options(auto_cast=AutoCast.none), source="switch.ncc")
    assert compiled.report["host_ops"] == 0
    compiled.save(tmp_path / "switch.neff")
    x, y = np.random.default_rng(0).standard_normal((2, 2, 3)).astype(np.float32)
    with ncc.load(tmp_path / "switch.neff") as model:
        found = model(x, y[0])
    (expected,) = interpret(graph, [x, y[0]])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
