"""Random small ONNX models: ops one after another, each on values that are there already."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.suite.case import Array, Case, seeded

OPSET = 17
MAX_NODES = 10
MAX_ELEMENTS = 20_000
RECENT = 5
"""Of so many values the next node reads one: chains are longer, and there is more to fuse."""

SIZES = (1, 2, 3, 5, 8, 16, 17)


class MisfitError(Exception):
    """An op that does not fit the values that there are; another is drawn."""


class Sketch:
    """A model in the making: its nodes, its constants, and the shape of each f32 value."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def pick(self, rank: int | None = None, least: int = 0) -> str:
        """One of the latest values of a rank."""
        fitting = [
            name
            for name, shape in self.shapes.items()
            if len(shape) >= least and rank in (None, len(shape))
        ]
        if not fitting:
            raise MisfitError
        return self.draw.choice(fitting[-RECENT:])

    def weight(self, *shape: int) -> str:
        """Random numbers that keep a sum over all but the first axis as large as its terms."""
        scale = np.float32(math.sqrt(math.prod(shape[1:])))
        return self._constant(seeded(*shape, seed=len(self.constants)) / scale)

    def ints(self, *values: int) -> str:
        """A list of numbers that an op wants as an operand."""
        return self._constant(np.array(values, np.int64))

    def _constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def add(self, op_type: str, *operands: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; the name of its first result."""
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(op_type, operands, names, name=names[0], **attributes)
        self.shapes |= self._infer(node)
        self.nodes.append(node)
        return names[0]

    def _infer(self, node: NodeProto) -> dict[str, tuple[int, ...]]:
        inputs = [self._info(name) for name in dict.fromkeys(node.input) if name in self.shapes]
        alone = self._model([node], inputs, [ValueInfoProto(name=name) for name in node.output])
        try:
            alone = onnx.shape_inference.infer_shapes(alone, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            raise MisfitError from error
        found = {
            info.name: tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
            for info in alone.graph.output
        }
        for shape in found.values():
            if min(shape, default=1) < 1 or math.prod(shape) > MAX_ELEMENTS:
                raise MisfitError
        return found

    def model(self, inputs: Sequence[str]) -> ModelProto:
        """The model; its outputs are what no node reads, and now and then what some do."""
        read = {name for node in self.nodes for name in node.input}
        made = [name for node in self.nodes for name in node.output]
        outputs = [name for name in made if name not in read or self.draw.random() < 0.1]
        return self._model(
            self.nodes, [self._info(name) for name in inputs], [self._info(n) for n in outputs]
        )

    def _info(self, name: str) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name])

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


def pointwise(s: Sketch) -> None:
    op_type = s.draw.choice(["Relu", "Sigmoid", "Tanh", "Abs", "Neg", "HardSwish", "Elu", "Erf"])
    s.add(op_type, s.pick())


def combine(s: Sketch) -> None:
    x = s.pick()
    equal = [name for name, shape in s.shapes.items() if shape == s.shapes[x]]
    shape = [size if s.draw.random() < 0.5 else 1 for size in s.shapes[x]]
    y = s.draw.choice([s.draw.choice(equal), s.weight(*shape[s.draw.randint(0, len(shape)) :])])
    s.add(s.draw.choice(["Add", "Sub", "Mul", "Max", "Min"]), x, y)


def conv(s: Sketch) -> None:
    x = s.pick(s.draw.choice([3, 4]))
    _, channels, *spatial = s.shapes[x]
    groups = s.draw.choice([1, 1, channels])
    filters = groups * s.draw.choice([1, 2, 8, 17] if groups == 1 else [1, 2])
    weight = s.weight(filters, channels // groups, *(s.draw.choice([1, 2, 3]) for _ in spatial))
    s.add(
        "Conv",
        *([x, weight] if s.draw.random() < 0.5 else [x, weight, s.weight(filters)]),
        group=groups,
        strides=[s.draw.choice([1, 1, 2]) for _ in spatial],
        dilations=[s.draw.choice([1, 1, 2]) for _ in spatial],
        pads=[s.draw.choice([0, 1, 2]) for _ in spatial * 2],
    )


def pool(s: Sketch) -> None:
    x = s.pick(s.draw.choice([3, 4]))
    kernel = [s.draw.choice([1, 2, 3]) for _ in s.shapes[x][2:]]
    strides = [s.draw.choice([1, 2]) for _ in kernel]
    pads = [size // 2 for size in kernel] * 2
    op_type = s.draw.choice(["MaxPool", "AveragePool"])
    s.add(op_type, x, kernel_shape=kernel, strides=strides, pads=pads)


def product(s: Sketch) -> None:
    x = s.pick(least=2)
    *batch, _, summed = s.shapes[x]
    columns = s.draw.choice([1, 3, 16, 33])
    s.add("MatMul", x, s.weight(*s.draw.choice([[], batch]), summed, columns))


def attend(s: Sketch) -> None:
    """Heads split from the last axis but one, in an order that memory need not have."""
    x = s.add("Expand", s.pick(least=3), s.ints(s.draw.choice([1, 2]), 1, 1, 1))
    last = len(s.shapes[x]) - 1
    y = s.add("Transpose", x, perm=[*s.draw.sample(range(last - 1), last - 1), last, last - 1])
    s.add("MatMul", s.add("Softmax", s.add("MatMul", x, y)), x)


def normalise(s: Sketch) -> None:
    x = s.pick(least=2)
    axis = s.draw.randrange(len(s.shapes[x]))
    if s.draw.random() < 0.5:
        s.add("Softmax", x, axis=axis)
    else:
        s.add("LayerNormalization", x, s.weight(*s.shapes[x][axis:]), axis=axis, epsilon=0.01)


def reduce(s: Sketch) -> None:
    x = s.pick(least=1)
    axes = s.draw.sample(range(len(s.shapes[x])), s.draw.randint(1, len(s.shapes[x])))
    op_type = s.draw.choice(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"])
    s.add(op_type, x, axes=axes, keepdims=s.draw.choice([0, 1]))


def concat(s: Sketch) -> None:
    x = s.pick(least=1)
    axis = s.draw.randrange(len(s.shapes[x]))
    fitting = [name for name, shape in s.shapes.items() if len(shape) == len(s.shapes[x])]
    s.add("Concat", x, *s.draw.choices(fitting, k=s.draw.choice([1, 1, 2])), axis=axis)


def split(s: Sketch) -> None:
    x = s.pick(least=1)
    axis = s.draw.randrange(len(s.shapes[x]))
    first = s.draw.randint(1, 3)
    s.add("Split", x, s.ints(first, s.shapes[x][axis] - first), outputs=2, axis=axis)


def transpose(s: Sketch) -> None:
    x = s.pick(least=2)
    s.add("Transpose", x, perm=s.draw.sample(range(len(s.shapes[x])), len(s.shapes[x])))


def reshape(s: Sketch) -> None:
    x = s.pick(least=1)
    first, *others = s.shapes[x]
    s.add("Reshape", x, s.ints(*s.draw.choice([[-1], [first, -1], [-1, 1], [1, -1, *others]])))


def slice_(s: Sketch) -> None:
    x = s.pick(least=1)
    axis = s.draw.randrange(len(s.shapes[x]))
    size = s.shapes[x][axis]
    start, end, step = s.draw.choice([(0, size, 1), (1, size, 1), (0, size, 2), (-1, -size, -1)])
    s.add("Slice", x, s.ints(start), s.ints(end), s.ints(axis), s.ints(step))


def pad(s: Sketch) -> None:
    x = s.pick(least=1)
    sizes = [s.draw.choice([0, 0, 2]) for _ in s.shapes[x] * 2]
    s.add("Pad", x, s.ints(*sizes), mode=s.draw.choice(["constant", "edge"]))


def gather(s: Sketch) -> None:
    x = s.pick(least=1)
    s.add("Gather", x, s.ints(-1, 0), axis=s.draw.randrange(len(s.shapes[x])))


def resize(s: Sketch) -> None:
    x = s.pick(4)
    height, width = s.draw.choice([3, 8, 12]), s.draw.choice([1, 5, 20])
    sizes = s.ints(*s.shapes[x][:2], height, width)
    s.add("Resize", x, "", "", sizes, mode=s.draw.choice(["nearest", "linear"]))


def excite(s: Sketch) -> None:
    x = s.pick(4)
    channels = s.shapes[x][1]
    narrow = s.add("Conv", s.add("GlobalAveragePool", x), s.weight(channels, channels, 1, 1))
    s.add("Mul", x, s.add("Sigmoid", narrow))


OPS: tuple[Callable[[Sketch], None], ...] = (
    *(pointwise, combine, combine, conv, conv, conv, pool, product, product, attend, normalise),
    *(reduce, concat, concat, split, transpose, reshape, slice_, pad, gather, resize, excite),
)


def random_case(seed: int) -> Case:
    """The same model and inputs for the same seed."""
    sketch = Sketch(seed)
    inputs = {}
    for index in range(sketch.draw.choice([1, 2])):
        rank = sketch.draw.choice([2, 3, 4, 4])
        shape = (sketch.draw.choice([1, 2]), *sketch.draw.choices(SIZES, k=rank - 1))
        inputs[f"x{index}"] = seeded(*shape, seed=seed + index)
        sketch.shapes[f"x{index}"] = shape
    for op in sketch.draw.choices(OPS, k=3 * MAX_NODES):
        if len(sketch.nodes) < MAX_NODES:
            with contextlib.suppress(MisfitError):
                op(sketch)
    return Case(f"random {seed}", sketch.model(list(inputs)), inputs)
