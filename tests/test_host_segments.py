"""Bundles with segments that the interpreter runs, between device segments or alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode
from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.nonzero import Nonzero
from ncc.ir.ops.relu import Relu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.serialize import dump
from ncc.ir.types import DType, TensorType
from ncc.neff.format import Feature, Program, Segment, TensorSpec, ValueSpec
from ncc.neff.reader import open_bundle
from ncc.neff.writer import Source, write
from ncc.runtime.tensors import Array
from tests.tiny_bundles import (
    SIZE,
    VECTOR,
    WEIGHTS,
    call,
    expected,
    source,
    sources,
    with_programs,
)

ROOT = Path(__file__).resolve().parent.parent
X = np.linspace(-3, 3, SIZE, dtype=np.float32)
INPUT, OUTPUT = TensorSpec("x", "f32", (SIZE,)), TensorSpec("y", "f32", (SIZE,))
HOST = Segment("host", 0, "step", (0,), (1,))


def graph_of(op: Op, inputs: int = 1) -> Source:
    """A section `step` that applies `op` to vectors."""
    vector = TensorType(DType.f32, (SIZE,))
    values = [Value(vector, name=f"x{i}") for i in range(inputs)]
    build = Builder()
    return section(Graph("step", values, build.nodes, [build(op, *values)]))


def section(graph: Graph) -> Source:
    return source("step", "graph", dump(graph))


def bundle(
    path: Path, values: Sequence[ValueSpec], segments: Sequence[Segment], graph: Source
) -> Path:
    """A model from x, value 0, to y, the last value."""
    last = len(values) - 1
    made = Program({}, tuple(values), (0,), (last,), tuple(segments), 4 * SIZE)
    output = OUTPUT._replace(dtype=values[last].dtype, shape=values[last].shape or (1, "?"))
    write(path, with_programs((made,), (INPUT,), (output,)), [*sources(), graph])
    return path


def run(path: Path) -> Array:
    with ncc.load(path) as model:
        y = model(X, cores=2)
    assert isinstance(y, np.ndarray)
    return y


def test_a_host_segment_stands_between_device_segments(tmp_path: Path) -> None:
    steps = [
        call("product", (0,), (1,)),
        Segment("host", 0, "step", (1,), (2,)),
        call("product", (2,), (3,)),
    ]
    path = bundle(tmp_path / "a.neff", [VECTOR] * 4, steps, graph_of(Relu()))
    np.testing.assert_array_equal(run(path), expected(np.maximum(expected(X), 0)))
    with open_bundle(path) as opened:
        assert opened.header.features == Feature.MACHINE_CODE | Feature.HOST_SEGMENTS


def test_a_size_may_be_known_only_at_run_time(tmp_path: Path) -> None:
    values = [VECTOR, ValueSpec("i64", None)]
    path = bundle(tmp_path / "a.neff", values, [HOST], graph_of(Nonzero()))
    np.testing.assert_array_equal(run(path), np.array(np.nonzero(X)))


def test_a_host_segment_reads_weights_in_place(tmp_path: Path) -> None:
    values = [VECTOR, ValueSpec("f32", (SIZE,), offset=0), VECTOR]
    segment = Segment("host", 0, "step", (0, 1), (2,))
    path = bundle(tmp_path / "a.neff", values, [segment], graph_of(Add(), 2))
    np.testing.assert_array_equal(run(path), X + WEIGHTS)


def test_a_result_that_is_a_view_becomes_an_array_of_its_own(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a.neff", [VECTOR] * 2, [HOST], graph_of(Reshape((SIZE,))))
    y = run(path)
    np.testing.assert_array_equal(y, X)
    assert not np.shares_memory(y, X)


WRONG_RESULTS = {
    "shape": (
        VECTOR._replace(shape=(SIZE - 1,)),
        "gives float32[1000], the manifest says f32[999]",
    ),
    "dtype": (VECTOR._replace(dtype="f64"), "gives float32[1000], the manifest says f64[1000]"),
}


@pytest.mark.parametrize(("spec", "message"), WRONG_RESULTS.values(), ids=WRONG_RESULTS.keys())
def test_a_result_that_the_manifest_does_not_declare_is_refused(
    spec: ValueSpec, message: str, tmp_path: Path
) -> None:
    path = bundle(tmp_path / "a.neff", [VECTOR, spec], [HOST], graph_of(Relu()))
    with pytest.raises(ncc.NccError) as error:
        run(path)
    assert message in error.value.message
    assert error.value.exit is ExitCode.INTEGRITY


def test_the_number_of_results_is_checked(tmp_path: Path) -> None:
    x = Value(TensorType(DType.f32, (SIZE,)), name="x")
    path = bundle(
        tmp_path / "a.neff", [VECTOR] * 2, [HOST], section(Graph("step", [x], [], [x, x]))
    )
    with pytest.raises(ncc.NccError, match="host segment 'step' gives 2 values, not 1"):
        run(path)


def test_a_damaged_host_graph_is_refused_at_load(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a.neff", [VECTOR] * 2, [HOST], graph_of(Relu()))
    path.write_bytes(path.read_bytes().replace(b"relu", b"sqrt"))
    with pytest.raises(ncc.NccError, match="section 'step' is damaged"):
        ncc.load(path)


WITHOUT_IR = """
import sys
import numpy as np
import ncc

model = ncc.load(sys.argv[1])
assert "ncc.ir" not in sys.modules, "it is imported when it is needed"
sys.modules["ncc.ir.interpret"] = None
try:
    model(np.zeros(1000, np.float32))
except ncc.NccError as error:
    print(error)
    sys.exit(error.exit)
"""


def test_a_machine_without_the_interpreter_is_told_what_it_lacks(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a.neff", [VECTOR] * 2, [HOST], graph_of(Relu()))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_IR, path],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.INCOMPATIBLE, done.stderr
    assert "a host segment, which needs the package 'ncc.ir.interpret'" in done.stdout


DAMAGED: dict[str, tuple[ValueSpec, str]] = {
    "outside": (ValueSpec("f32", (SIZE,), offset=4), "a weight is outside of the weights"),
    "unaligned": (ValueSpec("f32", (SIZE - 1,), offset=2), "a weight is not aligned"),
    "unknown size": (ValueSpec("f32", None, offset=0), "a weight has no shape"),
}


@pytest.mark.parametrize(("spec", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_weight_must_lie_in_the_weights(spec: ValueSpec, message: str, tmp_path: Path) -> None:
    segment = Segment("host", 0, "step", (0, 1), (2,))
    with pytest.raises(ncc.NccError, match=message):
        bundle(tmp_path / "a.neff", [VECTOR, spec, VECTOR], [segment], graph_of(Add(), 2))
