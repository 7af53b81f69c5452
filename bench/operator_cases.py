"""Models of one operator at the sizes that networks have, and what they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from messages import Array

OPSET, IR_VERSION = 20, 9
ROWS = (64, 1024)
"""What elementwise operators are timed on: 256 KB of f32."""


@dataclass(frozen=True)
class Draw:
    """An input of the model: floats are normal numbers, integers from `low` to `high` - 1."""

    shape: tuple[int, ...]
    dtype: npt.DTypeLike = np.float32
    low: int = 0
    high: int = 2

    def array(self, random: np.random.Generator) -> Array:
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return random.standard_normal(self.shape).astype(dtype)
        return random.integers(self.low, self.high, self.shape).astype(dtype)


@dataclass(frozen=True)
class Operator:
    """One node: of its operands a `Draw` is an input, an array a constant, None left out."""

    kind: str
    title: str
    operands: Sequence[Draw | Array | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    results: int = 1

    def __str__(self) -> str:
        return f"{self.kind}, {self.title}"

    def model(self) -> onnx.ModelProto:
        """The model, with shapes of its results as far as they are known."""
        named = {f"x{i}": operand for i, operand in enumerate(self.operands)}
        results = [f"y{i}" for i in range(self.results)]
        names = [name if operand is not None else "" for name, operand in named.items()]
        graph = helper.make_graph(
            [helper.make_node(self.kind, names, results, **self.attributes)],
            "operator",
            [_info(name, x) for name, x in named.items() if isinstance(x, Draw)],
            [helper.make_empty_tensor_value_info(name) for name in results],
            [
                numpy_helper.from_array(x, name)
                for name, x in named.items()
                if isinstance(x, np.ndarray)
            ],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        return onnx.shape_inference.infer_shapes(model)

    def inputs(self) -> dict[str, Array]:
        """Seeded inputs."""
        random = np.random.default_rng(0)
        drawn = ((f"x{i}", x) for i, x in enumerate(self.operands) if isinstance(x, Draw))
        return {name: x.array(random) for name, x in drawn}


def _info(name: str, x: Draw) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(x.dtype)), x.shape
    )


def f32(*shape: int) -> Draw:
    return Draw(shape)


def i64(*shape: int, high: int = 1000) -> Draw:
    return Draw(shape, np.int64, 0, high)


def ints(*values: int) -> Array:
    """A constant vector."""
    return np.array(values, np.int64)


def weight(*shape: int) -> Array:
    """A constant of seeded normal numbers."""
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def of(kind: str, title: str, *operands: Draw | Array | None, **attributes: Any) -> Operator:
    return Operator(kind, title, operands, attributes)


def operators() -> Iterator[Operator]:
    """All of them."""
    yield from _elementwise()
    yield from _integers()
    yield from _reductions()
    yield from _scans_and_sorts()
    yield from _movement()
    yield from _lookups()
    yield from _pictures()
    yield from _products()
    yield from _detection()


_UNARY = (
    "Abs Acos Asin Asinh Atan Ceil Cos Cosh Elu Erf Exp Floor HardSwish Mish Neg Reciprocal Relu "
    "Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Tan Tanh"
)


def _elementwise() -> Iterator[Operator]:
    rows = f32(*ROWS)
    yield from (of(kind, "64x1024", rows) for kind in _UNARY.split())
    yield from (of(kind, "1024x1024", f32(1024, 1024)) for kind in ("Relu", "Exp", "Tanh"))
    yield from (of(kind, "64x1024", rows, rows) for kind in ("Add", "Div", "Max", "Pow"))
    yield of("Add", "a row to all", rows, f32(1024))
    yield of("Mul", "a number for each channel", f32(1, 256, 26, 26), f32(1, 256, 1, 1))
    yield of("Less", "64x1024", rows, rows)
    yield of("Where", "64x1024", Draw(ROWS, np.bool_), rows, rows)
    yield of("Cast", "f32 to f16", rows, to=TensorProto.FLOAT16)
    yield of("Cast", "f16 to f32", Draw(ROWS, np.float16), to=TensorProto.FLOAT)
    yield of("Cast", "u8 to f32", Draw(ROWS, np.uint8, 0, 255), to=TensorProto.FLOAT)
    yield of("Clip", "64x1024", rows, np.array(-1, np.float32), np.array(1, np.float32))
    yield of("PRelu", "64x56x56", f32(1, 64, 56, 56), weight(64, 1, 1))


def _integers() -> Iterator[Operator]:
    rows = Draw(ROWS, np.int64, 1, 1000)
    yield from (of(kind, "i64", rows, rows) for kind in ("Add", "Mul", "Div", "Mod", "Equal"))
    yield of("Div", "i32", *[Draw(ROWS, np.int32, 1, 1000)] * 2)
    yield of("And", "64x1024", *[Draw(ROWS, np.bool_)] * 2)


def _reductions() -> Iterator[Operator]:
    for kind in ("ReduceSum", "ReduceMax", "ReduceProd", "ReduceL2", "ReduceLogSumExp"):
        yield of(kind, "rows of 64x1024", f32(*ROWS), ints(1))
        yield of(kind, "columns of 1024x64", f32(1024, 64), ints(0))
        yield of(kind, "planes of 256x26x26", f32(1, 256, 26, 26), ints(2, 3))
    yield of("ReduceMax", "the middle of 8x256x49", f32(8, 256, 49), ints(1))
    yield of("ReduceSum", "rows of 3", f32(10000, 3), ints(1))
    yield of("ReduceMean", "channels of 64x56x56", f32(1, 64, 56, 56), ints(1))
    yield of("Softmax", "1536x128", f32(1536, 128))
    yield of("Softmax", "one row of 50257", f32(1, 50257))
    yield of("Softmax", "21 channels", f32(1, 21, 128, 128), axis=1)
    yield of("LogSoftmax", "64x1000", f32(64, 1000))
    yield of("ArgMax", "64x1000", f32(64, 1000), axis=-1)
    yield of("ArgMax", "21 channels", f32(1, 21, 320, 320), axis=1)
    yield of("LayerNormalization", "128x768", f32(128, 768), weight(768), weight(768))
    yield of("InstanceNormalization", "64x100x100", f32(1, 64, 100, 100), weight(64), weight(64))
    yield of("LRN", "64x55x55", f32(1, 64, 55, 55), size=5)


def _scans_and_sorts() -> Iterator[Operator]:
    yield of("CumSum", "rows of 64x2048", f32(64, 2048), np.array(1))
    yield of("CumSum", "columns of 1024x512", f32(1024, 512), np.array(0))
    yield of("CumSum", "a million", f32(1_000_000), np.array(0))
    yield of("CumSum", "i64, 16x512", i64(16, 512), np.array(1))
    for k, shape in ((5, (1, 50257)), (100, (1, 81920)), (300, (1, 8400)), (50, (32, 1000))):
        yield Operator("TopK", f"{k} of {shape}", [f32(*shape), ints(k)], results=2)
    yield Operator("TopK", "64 rows sorted", [f32(*ROWS), ints(1024)], results=2)
    yield Operator("TopK", "2 of 4096x8", [f32(4096, 8), ints(2)], results=2)


def _movement() -> Iterator[Operator]:
    yield of("Transpose", "heads of 128x12x64", f32(1, 128, 12, 64), perm=[0, 2, 1, 3])
    yield of("Transpose", "1024x1024", f32(1024, 1024), perm=[1, 0])
    yield of("Transpose", "256 channels last", f32(1, 256, 52, 52), perm=[0, 2, 3, 1])
    yield of("Transpose", "3 channels first", f32(1, 512, 512, 3), perm=[0, 3, 1, 2])
    yield of("Transpose", "all axes", f32(64, 64, 64), perm=[2, 1, 0])
    yield of("Concat", "two of 64x80x80", *[f32(1, 64, 80, 80)] * 2, axis=1)
    yield of("Concat", "32 along rows", *[f32(64, 32)] * 32, axis=1)
    yield of("Slice", "every other pixel", f32(1, 3, 640, 640), *map(ints, (0, 640, 3, 2)))
    yield of("Expand", "a column", f32(64, 1), ints(*ROWS))
    yield of("Tile", "64x64 4 by 4", f32(64, 64), ints(4, 4))
    yield of("Pad", "reflection", f32(1, 3, 256, 256), ints(0, 0, 4, 4, 0, 0, 4, 4), mode="reflect")
    yield of("DepthToSpace", "64x64x64", f32(1, 64, 64, 64), blocksize=2)


def _lookups() -> Iterator[Operator]:
    yield of("Gather", "rows of a table", f32(30522, 384), i64(1, 128, high=30522))
    yield of("GatherElements", "along rows", f32(64, 1000), i64(64, 100), axis=1)
    yield of("GatherND", "points", f32(256, 256, 8), i64(1000, 2, high=256))
    yield of("ScatterND", "900 rows", f32(1000, 64), i64(900, 1), f32(900, 64))
    yield of("ScatterND", "8 rows", f32(1, 8, 128, 64), i64(1, 8, 1, 3, high=1), f32(1, 8, 1, 64))
    yield of("OneHot", "1000 of 100", i64(1000, high=100), ints(100), np.array([0, 1], np.float32))
    yield of("NonZero", "64x1024", f32(*ROWS))
    yield of("Compress", "8400 rows", f32(8400, 4), Draw((8400,), np.bool_), axis=0)
    yield of("Unique", "4096", i64(4096, high=100))


def _pictures() -> Iterator[Operator]:
    twice = np.array([1, 1, 2, 2], np.float32)
    plain = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    small = f32(1, 256, 26, 26)
    yield of("Resize", "nearest, twice", small, None, twice, mode="nearest", **plain)
    yield of("Resize", "linear, twice", small, None, twice, mode="linear")
    yield of("Resize", "cubic, twice", f32(1, 16, 64, 64), None, twice, mode="cubic")
    square = f32(1, 64, 112, 112)
    yield of("MaxPool", "2x2", square, kernel_shape=[2, 2], strides=[2, 2])
    two = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield Operator("MaxPool", "2x2 with places", [square], two, results=2)
    yield of("AveragePool", "3x3", f32(1, 192, 35, 35), kernel_shape=[3, 3], pads=[1] * 4)
    yield of("GlobalAveragePool", "1280x7x7", f32(1, 1280, 7, 7))
    yield of("GridSample", "3x224x224", f32(1, 3, 224, 224), f32(1, 224, 224, 2))
    up = {"strides": [2, 2]}
    yield of("ConvTranspose", "2x2", f32(1, 128, 40, 40), weight(128, 64, 2, 2), **up)
    yield of("ConvTranspose", "4x4", f32(1, 64, 32, 32), weight(64, 64, 4, 4), pads=[1] * 4, **up)
    yield of(
        "Conv", "depthwise 7x7", f32(1, 96, 56, 56), weight(96, 1, 7, 7), group=96, pads=[3] * 4
    )


def _products() -> Iterator[Operator]:
    yield of("MatMul", "128x768 by weights", f32(128, 768), weight(768, 768))
    yield of("MatMul", "heads of 128x64", f32(12, 128, 64), f32(12, 64, 128))
    yield of("MatMul", "one row by a matrix", f32(1, 768), f32(768, 768))
    yield of("MatMul", "a matrix by one column", f32(1000, 512), f32(512, 1))
    yield of("Einsum", "an outer product", f32(512), f32(512), equation="i,j->ij")
    gates = (weight(1, 256, 64) / 8, weight(1, 256, 64) / 8)
    yield Operator("LSTM", "100 steps of 64", [f32(100, 1, 64), *gates], {"hidden_size": 64}, 2)


def _detection() -> Iterator[Operator]:
    random = np.random.default_rng(1)
    low = random.uniform(0, 400, (1, 2000, 2))
    boxes = np.concatenate([low, low + random.uniform(10, 80, low.shape)], -1).astype(np.float32)
    limits = (ints(200), np.array([0.5], np.float32), np.array([0.0], np.float32))
    yield of("NonMaxSuppression", "2000 boxes", boxes, f32(1, 1, 2000), *limits)
    yield of("NonMaxSuppression", "80 classes of 2000", boxes, f32(1, 80, 2000), *limits)
    regions = np.sort(random.uniform(0, 50, (100, 2, 2)).astype(np.float32), 1).reshape(100, 4)
    grid = {"output_height": 7, "output_width": 7, "sampling_ratio": 2}
    batch = np.zeros(100, np.int64)
    yield of("RoiAlign", "100 regions", f32(1, 256, 50, 50), regions, batch, **grid)
