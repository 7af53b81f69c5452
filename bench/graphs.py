"""Models that are large in one way: many small nodes, or weights that do not fit the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from nets.net import BATCH, IR_VERSION, OPSET, Net

ROWS, WIDTH = 8, 16
"""Of the tensors between small nodes."""
CHUNK = 16 << 20
"""Bytes of weights that are drawn at once."""


def blocks(nodes: int) -> onnx.ModelProto:
    """Repeated blocks of ten nodes as networks have them: a product with weights of its own, what
    follows it, a normalisation, a reshape and a residual.
    """
    net = Net("blocks", seed=1)
    x = net.input("x", (ROWS, WIDTH))
    for number in range(nodes // 10):
        with net.scope(number):
            x = _block(net, x)
    net.output(x, "y", (ROWS, WIDTH))
    return net.model()


def _block(net: Net, x: str) -> str:
    weight = net.weight("weight", net.normal(WIDTH, WIDTH, std=1 / math.sqrt(WIDTH)))
    bias = net.weight("bias", net.normal(WIDTH, std=0.1))
    y = net.op("Relu", net.op("Add", net.op("MatMul", x, weight), bias))
    mean = net.op("ReduceMean", y, axes=[-1])
    y = net.op("Mul", net.op("Sub", y, mean), bias)
    turned = net.op("Transpose", y, perm=[0, 2, 1])
    y = net.op("Transpose", net.op("Tanh", turned), perm=[0, 2, 1])
    return net.op("Add", x, y)


def chain(nodes: int) -> onnx.ModelProto:
    """Elementwise nodes, each of which reads the one before: nothing but fusion."""
    net = Net("chain", seed=1)
    x = net.input("x", (ROWS, WIDTH))
    for number in range(nodes):
        x = net.op(("Sin", "Tanh", "Sigmoid", "Softsign")[number % 4], x)
    net.output(x, "y", (ROWS, WIDTH))
    return net.model()


GRAPHS: dict[str, Callable[[int], onnx.ModelProto]] = {"blocks": blocks, "chain": chain}


def write_large(folder: Path, nbytes: int, width: int = 8192) -> Path:
    """Dense layers with Relu, `nbytes` of f32 weights in all, in a file beside the model.

    The weights are streamed to the disk: the memory holds a few megabytes of them.
    """
    matrix = 4 * width * width
    count = max(1, round(nbytes / matrix))
    with (folder / "large.weights").open("wb") as file:
        for seed in range(count):
            file.writelines(_drawn(matrix, seed))
    weights = [_external(f"w{i}", width, i * matrix, matrix) for i in range(count)]
    nodes = [node for i in range(count) for node in _layer(i)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, width])
        for name in ("x0", f"x{count}")
    ]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", OPSET)]
    path = folder / "large.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()
    )
    return path


def _layer(i: int) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    product = helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"y{i}"], name=f"/{i}/MatMul")
    return product, helper.make_node("Relu", [f"y{i}"], [f"x{i + 1}"], name=f"/{i}/Relu")


def _drawn(nbytes: int, seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for start in range(0, nbytes, CHUNK):
        count = min(CHUNK, nbytes - start) // 4
        yield (random.standard_normal(count, np.float32) * np.float32(0.01)).tobytes()


def _external(name: str, width: int, offset: int, length: int) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[width, width])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "large.weights"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
