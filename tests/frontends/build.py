"""Small ONNX models from text, and their meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from ncc.frontends.onnx import import_onnx
from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.verify import verify

Array = npt.NDArray[Any]


def model(text: str, *, opset: int = 17, **initializers: Array | TensorProto) -> ModelProto:
    """The model with one graph (and functions after it) in ONNX's text form."""
    made = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": {opset}, "my": 1]>\n{text}'
    )
    for name, value in initializers.items():
        tensor = numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
        made.graph.initializer.append(tensor)
        made.graph.initializer[-1].name = name
    return made


def load(source: ModelProto | Path, **options: Any) -> Graph:
    """The imported graph, verified; no sizes are bound unless `options` say so."""
    graph = import_onnx(source, **{"dims": {}, "shapes": {}, **options})
    verify(graph)
    return graph


def run(source: ModelProto | Path, *inputs: npt.ArrayLike, **options: Any) -> list[Array]:
    """The outputs for `inputs`, taken as the types of the graph's inputs."""
    graph = load(source, **options)
    pairs = zip(graph.inputs, inputs, strict=True)
    fed = [np.asarray(array, value.tensor.dtype.numpy) for value, array in pairs]
    return [np.asarray(output) for output in interpret(graph, fed)]
