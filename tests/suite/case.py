"""Op cases as data: a one-node model with its inputs, for every engine to run.

Files called `cases_*.py` beside this one hold lists named `CASES`; `test_ops.py` collects them.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A model, and an array for each of its inputs."""

    name: str
    model: ModelProto
    inputs: Mapping[str, Array]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Const:
    """An operand that is an initializer of the model."""

    array: Array


def node_case(
    op_type: str,
    *operands: Array | Const | None,
    name: str = "",
    opset: int = 17,
    outputs: int = 1,
    domain: str = "",
    **attributes: Any,
) -> Case:
    """A model of one node. Arrays are inputs, `Const` initializers, None is left out."""
    names = [f"x{index}" if value is not None else "" for index, value in enumerate(operands)]
    node = helper.make_node(
        op_type, names, [f"y{index}" for index in range(outputs)], domain=domain, **attributes
    )
    pairs = list(zip(names, operands, strict=True))
    inputs = {label: value for label, value in pairs if isinstance(value, np.ndarray)}
    constants = {label: value.array for label, value in pairs if isinstance(value, Const)}
    return Case(
        name or _name(op_type, operands, attributes), model(node, inputs, constants, opset), inputs
    )


def model(
    node: NodeProto, inputs: Mapping[str, Array], constants: Mapping[str, Array], opset: int
) -> ModelProto:
    """A model whose only node is `node`; results get the types that onnxruntime infers."""
    graph = helper.make_graph(
        [node],
        node.op_type,
        [helper.make_tensor_value_info(k, _element_type(v), v.shape) for k, v in inputs.items()],
        [ValueInfoProto(name=name) for name in node.output if name],
        [numpy_helper.from_array(array, label) for label, array in constants.items()],
    )
    imports = [helper.make_opsetid(node.domain, opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def run_reference(case: Case) -> list[Array]:
    """The outputs that onnxruntime computes, with its graph optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        case.model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    return list(session.run(None, dict(case.inputs)))


def assert_close(got: Array, want: Array) -> None:
    """Equal shape and dtype; floats within a few roundings of their type at the output's range."""
    assert got.dtype == want.dtype, f"dtype {got.dtype}, expected {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    if not want.size or want.dtype.kind not in "fV":
        np.testing.assert_array_equal(got, want)
        return
    wide, exact = got.astype(np.float64), want.astype(np.float64)
    scale = float(np.max(np.abs(exact[np.isfinite(exact)]), initial=0.0))
    bound = _TOLERANCE[want.dtype.itemsize]
    np.testing.assert_allclose(wide, exact, rtol=bound, atol=bound * max(scale, 1e-3))


_TOLERANCE = {8: 1e-12, 4: 1e-5, 2: 4e-3, 1: 0.13}
"""Relative error by bytes per element."""


@functools.cache
def all_cases() -> tuple[Case, ...]:
    """Every case of every `cases_*.py` file, names made unique."""
    found: list[Case] = []
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        found += importlib.import_module(f"tests.suite.{path.stem}").CASES
    return tuple(found)


def seeded(*shape: int, dtype: npt.DTypeLike = np.float32, seed: int = 0) -> Array:
    """Normal random numbers, the same ones each time."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def f32(values: npt.ArrayLike) -> Array:
    """Numbers as float32."""
    return np.asarray(values, np.float32)


def _element_type(array: Array) -> int:
    return (
        TensorProto.STRING
        if array.dtype == object
        else helper.np_dtype_to_tensor_dtype(array.dtype)
    )


def _name(
    op_type: str, operands: tuple[Array | Const | None, ...], attributes: Mapping[str, Any]
) -> str:
    """The op type, operand shapes and attributes, for a case that is not named."""
    arrays = [value.array if isinstance(value, Const) else value for value in operands]
    shapes = " ".join("-" if a is None else f"{a.dtype}{list(a.shape)}" for a in arrays)
    given = " ".join(f"{key}={value}" for key, value in attributes.items() if np.size(value) < 9)
    return f"{op_type} {shapes} {given}".strip()
