"""A small ONNX graph writer with seeded weights, naming nodes as PyTorch's exporter does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
OPSET = 17
IR_VERSION = 8
BATCH = "batch"


class Net:
    """A graph being written. Values are their ONNX names; weights are drawn in writing order."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.random = np.random.default_rng(seed)
        self._path: list[str] = []
        self._names: Counter[str] = Counter()
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: dict[str, onnx.ValueInfoProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    @contextmanager
    def scope(self, part: object) -> Iterator[None]:
        """Put `part` into the path of the nodes and weights made inside."""
        self._path.append(str(part))
        yield
        self._path.pop()

    def input(self, name: str, shape: Sequence[int], dtype: int = TensorProto.FLOAT) -> str:
        """A graph input of `shape` behind a symbolic batch axis."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, [BATCH, *shape]))
        return name

    def output(self, value: str, name: str, shape: Sequence[int]) -> None:
        """Return `value`, f32 of `shape` behind the batch axis, under `name`."""
        self._outputs[value] = helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [BATCH, *shape]
        )

    def op(self, kind: str, *operands: str, **attributes: Any) -> str:
        """Append a node with one result."""
        return self.ops(kind, 1, *operands, **attributes)[0]

    def ops(self, kind: str, count: int, *operands: str, **attributes: Any) -> list[str]:
        """Append a node with `count` results."""
        name = self._unique("/" + "/".join([*self._path, kind]))
        results = [f"{name}_output_{index}" for index in range(count)]
        self._nodes.append(helper.make_node(kind, operands, results, name=name, **attributes))
        return results

    def constant(self, value: Array) -> str:
        return self.op("Constant", value=numpy_helper.from_array(value))

    def ints(self, *values: int) -> str:
        """A constant vector of i64, as shapes and axes are given."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def weight(self, name: str, value: Array) -> str:
        """A stored f32 tensor, named by the scope and `name`."""
        full = ".".join([*self._path, name])
        self._weights.append(numpy_helper.from_array(value.astype(np.float32), full))
        return full

    def normal(self, *shape: int, std: float) -> Array:
        """A seeded normal f32 tensor of mean 0."""
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(std)

    def uniform(self, *shape: int, low: float, high: float) -> Array:
        """A seeded uniform f32 tensor."""
        return self.random.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(
            low
        )

    def model(self) -> onnx.ModelProto:
        """The model; call it once, when all is written."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._final(name) for name in names]
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, list(self._outputs.values()), self._weights
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ncc-bench",
        )

    def _final(self, value: str) -> str:
        """The name of a value in the model: an output's own, else the one it was made with."""
        return self._outputs[value].name if value in self._outputs else value

    def _unique(self, name: str) -> str:
        self._names[name] += 1
        count = self._names[name]
        return name if count == 1 else f"{name}_{count - 1}"
