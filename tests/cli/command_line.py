"""Run `ncc` in this process or in one of its own, and small models to run it on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper, save

from ncc.cli.process import run

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "examples" / "digits.onnx"
IMAGES = ROOT / "examples" / "digits_test.npz"
NCC = Path(sys.executable).parent / "ncc"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed as JSON; the command must have succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def fails(self, code: int, name: str) -> str:
        """The error, after checking that it is that one and nothing else was printed."""
        assert self.code == code, self.err
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if not line.startswith("[")]
        assert lines[0].startswith(f"error[{name}]: "), self.err
        assert "Traceback" not in self.err
        return "\n".join(lines)


def ncc(*arguments: object) -> Result:
    """`ncc ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


def hear_signals() -> None:
    """Undo what a shell does to a job in the background, and nohup to all."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """`ncc ARGUMENTS` in a process of its own, in a group of its own."""
    command = [str(NCC), *map(str, arguments)]
    pipe = subprocess.PIPE
    defaults = {
        "stdout": pipe,
        "stderr": pipe,
        "stdin": subprocess.DEVNULL,
        "process_group": 0,
        "preexec_fn": hear_signals,
    }
    return subprocess.Popen(command, **{**defaults, **options})


def ncc_process(*arguments: object, **options: Any) -> Result:
    """`ncc ARGUMENTS` in a process of its own, to its end."""
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    return Result(process.returncode, (out or b"").decode(), (err or b"").decode())


def environment(**variables: str) -> dict[str, str]:
    """The environment with some variables changed."""
    return {**os.environ, **variables}


def write_model(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    outputs: Sequence[str],
    **weights: Array,
) -> Path:
    """An ONNX model; `inputs` have element types and shapes, `outputs` the types they get."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def relu_model(path: Path, shape: Sequence[int | str] = (2, 3)) -> Path:
    """y = relu(x) for f32."""
    node = helper.make_node("Relu", ["x"], ["y"], name="/relu")
    return write_model(path, [node], {"x": (TensorProto.FLOAT, shape)}, ["y"])


def product_model(path: Path, weight: Array) -> Path:
    """y = x @ w for x f32[1, rows of w]."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="/product")
    inputs = {"x": (TensorProto.FLOAT, (1, len(weight)))}
    return write_model(path, [node], inputs, ["y"], w=weight)


def two_inputs_model(path: Path) -> Path:
    """sum/0 = a + b for f32[4]; where = the places in c, i64[3], of what is not zero."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum/0"], name="/add"),
        helper.make_node("NonZero", ["c"], ["where"], name="/nonzero"),
    ]
    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    inputs = {"a": (f32, (4,)), "b": (f32, (4,)), "c": (i64, (3,))}
    return write_model(path, nodes, inputs, ["sum/0", "where"])


def compiled(model: Path, *arguments: object) -> Path:
    """The bundle beside a model."""
    path = model.with_suffix(".neff")
    result = ncc("compile", model, "-o", path, *arguments)
    assert result.code == 0, result.err
    return path


def random_input(shape: Sequence[int], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
