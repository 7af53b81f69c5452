"""Models in the making, of which ops read the latest values."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.suite.case import Array, seeded

OPSET = 17
MAX_ELEMENTS = 20_000
MAX_RANK = 8
RECENT = 5
"""Of so many values the next node reads one: chains are longer, and there is more to fuse."""


class MisfitError(Exception):
    """An op that does not fit the values that there are; another is drawn."""


class Sketch:
    """A model in the making: its nodes, its constants, and the shape of each f32 value."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.inputs: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._infos: dict[str, ValueInfoProto] = {}

    def feed(self, array: Array) -> None:
        """Append an input of the model, which will be `array`."""
        name = f"x{len(self.inputs)}"
        self.inputs[name] = array
        self._note(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))

    def pick(self, least: int = 0, most: int = MAX_RANK) -> str:
        """One of the latest values with so many axes."""
        fitting = [name for name, shape in self.shapes.items() if least <= len(shape) <= most]
        if not fitting:
            raise MisfitError
        return self.draw.choice(fitting[-RECENT:])

    def pick_axis(self, least: int = 1) -> tuple[str, int]:
        """One of the latest values with so many axes, and one of them."""
        x = self.pick(least)
        return x, self.draw.randrange(len(self.shapes[x]))

    def pick_input(self) -> str:
        """An input: rounding it, or comparing its elements, gives the same on every engine."""
        return self.draw.choice(list(self.inputs))

    def divisor(self, size: int) -> int:
        """A number of equal parts that `size` has."""
        return self.draw.choice([part for part in range(1, size + 1) if size % part == 0])

    def weight(self, *shape: int) -> str:
        """Random numbers that keep a sum over all but the first axis as large as its terms."""
        scale = np.float32(math.sqrt(math.prod(shape[1:])))
        return self.constant(seeded(*shape, seed=len(self.constants)) / scale)

    def floats(self, *values: float) -> str:
        """A list of f32 numbers that an op wants as an operand."""
        return self.constant(np.array(values, np.float32))

    def ints(self, *values: int) -> str:
        """A list of numbers that an op wants as an operand."""
        return self.constant(np.array(values, np.int64))

    def constant(self, array: Array) -> str:
        """The name of an initializer."""
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def add(self, op_type: str, *operands: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; the name of its first result."""
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(op_type, operands, names, name=names[0], **attributes)
        for info in self._infer(node):
            self._note(info)
        self.nodes.append(node)
        return names[0]

    def _note(self, info: ValueInfoProto) -> None:
        self._infos[info.name] = info
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            self.shapes[info.name] = _dims(info)

    def _infer(self, node: NodeProto) -> Sequence[ValueInfoProto]:
        inputs = [self._infos[name] for name in dict.fromkeys(node.input) if name in self._infos]
        alone = self._model([node], inputs, [ValueInfoProto(name=name) for name in node.output])
        try:
            alone = onnx.shape_inference.infer_shapes(alone, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            raise MisfitError from error
        for info in alone.graph.output:
            if min(_dims(info), default=1) < 1 or math.prod(_dims(info)) > MAX_ELEMENTS:
                raise MisfitError
        return list(alone.graph.output)

    def model(self) -> ModelProto:
        """The model; its outputs are what no node reads, and now and then what some do."""
        read = {name for node in self.nodes for name in node.input}
        made = [name for node in self.nodes for name in node.output if name in self.shapes]
        outputs = [name for name in made if name not in read or self.draw.random() < 0.1]
        return self._model(
            self.nodes, [self._infos[n] for n in self.inputs], [self._infos[n] for n in outputs]
        )

    def _model(
        self,
        nodes: Sequence[NodeProto],
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[ValueInfoProto],
    ) -> ModelProto:
        read = {name for node in nodes for name in node.input}
        held = [numpy_helper.from_array(a, n) for n, a in self.constants.items() if n in read]
        graph = helper.make_graph(nodes, "random", inputs, outputs, held)
        imports = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _dims(info: ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
