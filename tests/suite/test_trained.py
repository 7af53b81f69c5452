"""The real trained models through the ONNX frontend and the interpreter equal onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from ncc.frontends.onnx import import_onnx
from ncc.ir.interpret import interpret
from ncc.ir.verify import verify
from tests.suite.trained import TRAINED, Trained

Array = npt.NDArray[Any]


@pytest.mark.parametrize("trained", TRAINED, ids=str)
def test_equals_onnxruntime(trained: Trained, model: Callable[[str], Path]) -> None:
    path = model(trained.file)
    graph = import_onnx(path, dims=trained.dims, shapes={})
    verify(graph)
    assert not any(node.op.host_only for node in graph)
    feeds = {
        value.name: trained.draw[value.name](value.tensor.dims).astype(value.tensor.dtype.numpy)
        for value in graph.inputs
    }
    got = interpret(graph, [feeds[value.name] for value in graph.inputs])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for ours, theirs in zip(got, session.run(None, feeds), strict=True):
        assert_close(np.asarray(ours), theirs)


def assert_close(got: Array, want: Array) -> None:
    """Within 1e-4 of the range of the output; f16, rounded after each of many layers, 1e-2.

    The sigmoid of onnxruntime is exact to a rounding of 1, however small the probability.
    """
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    exact = want.astype(np.float64)
    spread = float(np.ptp(exact))
    assert spread > 0, "an output that is the same everywhere tests nothing"
    error = float(np.max(np.abs(got.astype(np.float64) - exact)))
    share = 1e-2 if want.dtype == np.float16 else 1e-4
    assert error <= share * spread + np.finfo(np.float32).eps
