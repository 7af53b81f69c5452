"""Threads that call several models on one set of workers, all of them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ncc
from tests.suite.case import Array, seeded

THREADS, CALLS = 4, 100
CORES = (1, 2, 3, 5)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(seeded(*shape) / np.float32(np.sqrt(np.prod(shape[1:]))), name)


def model_of(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], *shape: int
) -> onnx.ModelProto:
    """A model with the input x and the output y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def convolutions() -> onnx.ModelProto:
    """Shortcuts around convolutions with borders: many barriers, memory that is taken over."""
    nodes, weights, last = [], [], "x"
    for number in range(6):
        conv, out = f"c{number}", f"s{number}"
        weights.append(weight(f"w{number}", 64, 64, 3, 3))
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [conv], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [conv], [f"r{number}"]))
        nodes.append(helper.make_node("Add", [f"r{number}", last], [out]))
        last = out
    nodes.append(helper.make_node("Softmax", [last], ["y"], axis=1))
    return model_of(nodes, weights, 1, 64, 30, 30)


def products() -> onnx.ModelProto:
    """A stack of matrix products."""
    nodes, weights, last = [], [], "x"
    for number in range(5):
        weights.append(weight(f"w{number}", 512, 512))
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [f"m{number}"]))
        nodes.append(helper.make_node("Tanh", [f"m{number}"], [f"t{number}"]))
        last = f"t{number}"
    nodes.append(helper.make_node("Identity", [last], ["y"]))
    return model_of(nodes, weights, 120, 512)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[ncc.Model, Array]]]:
    """Models that several cores share, each with an input."""
    folder = tmp_path_factory.mktemp("concurrency")
    found = []
    for name, model in (("convolutions", convolutions()), ("products", products())):
        ncc.compile(model).save(folder / f"{name}.neff")
        opened = ncc.load(folder / f"{name}.neff")
        found.append((opened, seeded(*map(int, opened.inputs[0].shape))))
    yield found
    for opened, _ in found:
        opened.close()


def test_the_models_are_worth_several_cores(loaded: list[tuple[ncc.Model, Array]]) -> None:
    for model, _ in loaded:
        assert model.variant.programs[0].segments[0].cores >= 2


def test_every_call_gives_the_same_bits(loaded: list[tuple[ncc.Model, Array]]) -> None:
    wanted = [np.asarray(model(x, cores=1)).tobytes() for model, x in loaded]
    wrong: list[str] = []

    def work(first: int) -> None:
        for number in range(first, first + CALLS):
            which, cores = number % len(loaded), CORES[number // 2 % len(CORES)]
            model, x = loaded[which]
            if np.asarray(model(x, cores=cores)).tobytes() != wanted[which]:
                wrong.append(f"call {number} of thread {first} on {cores} cores")

    threads = [threading.Thread(target=work, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
