"""Models that leave nothing to compute: outputs that are inputs, constants, or one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

import ncc

MODELS = {
    "an input": "(float[2, 3] x) => (float[2, 3] y) { y = Identity(x) }",
    "a constant": "(float[2] x) => (float[2] y) { y = Constant<value_floats = [1.5, -2.0]>() }",
    "two names of one input": "(float[2] x) => (float[2] y, float[2] z) "
    "{ y = Identity(x) z = Identity(y) }",
    "the same result twice": "(float[2] x) => (float[2] y, float[2] z) "
    "{ y = Relu(x) z = Identity(y) }",
    "a view of an input": "(float[2, 3] x) => (float[3, 2] y) { y = Transpose<perm = [1, 0]>(x) }",
    "nothing at all": "(float[0, 3] x) => (float[0, 3] y) { y = Relu(x) }",
}


@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS.keys())
def test_a_model_without_work_runs(text: str, tmp_path: Path) -> None:
    header = '<ir_version: 8, opset_import: ["" : 17]>'
    model = onnx.parser.parse_model(f"{header} g {text}")
    ncc.compile(model).save(tmp_path / "m.neff")
    dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.arange(np.prod(dims), dtype=np.float32).reshape(dims)
    wanted = {
        "Identity": x,
        "Constant": np.array([1.5, -2.0], np.float32),
        "Relu": x,
        "Transpose": x.T,
    }[model.graph.node[0].op_type]
    with ncc.load(tmp_path / "m.neff") as loaded:
        for name, array in loaded.run({"x": x}).items():
            np.testing.assert_array_equal(array, wanted, err_msg=name)
            assert not np.shares_memory(array, x)
