"""Quantized layers against arithmetic in integers: the same numbers, on every kind of target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto
from onnx.parser import parse_model

import ncc

LAYER = """<ir_version: 10, opset_import: ["" : 21]>
layer (uint8[64, {terms}] x) => (uint8[64, {filters}] y)
<float x_scale = {{0.02}}, uint8 x_zero = {{131}}, float w_scale = {{0.004}}, int8 w_zero = {{0}},
 float b_scale = {{0.00008}}, int32 b_zero = {{0}},
 float y_scale = {{0.11}}, uint8 y_zero = {{120}},
 int8[{terms}, {filters}] w = {{{weights}}}, int32[{filters}] b = {{{bias}}}>
{{
  xr = DequantizeLinear(x, x_scale, x_zero)
  wr = DequantizeLinear(w, w_scale, w_zero)
  br = DequantizeLinear(b, b_scale, b_zero)
  product = MatMul(xr, wr)
  biased = Add(product, br)
  positive = Relu(biased)
  y = QuantizeLinear(positive, y_scale, y_zero)
}}"""


def integers(low: int, high: int, *shape: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(low, high, shape)


def model(w: npt.NDArray[Any], b: npt.NDArray[Any]) -> ModelProto:
    terms, filters = w.shape
    weights, bias = (", ".join(map(str, x.ravel())) for x in (w, b))
    return parse_model(LAYER.format(terms=terms, filters=filters, weights=weights, bias=bias))


@pytest.mark.parametrize("auto_cast", ["none", "matmult"])
@pytest.mark.parametrize(("terms", "filters"), [(96, 48), (40, 6)], ids=["large", "small"])
@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4", "native"])
def test_a_quantized_layer_is_exact(
    target: str, terms: int, filters: int, auto_cast: str, tmp_path: Path
) -> None:
    x, w = integers(0, 256, 64, terms), integers(-128, 128, terms, filters)
    b = integers(-9000, 9000, filters)
    layer = ncc.compile(model(w, b), target=target, auto_cast=auto_cast)
    layer.save(tmp_path / "layer.neff")
    factor = np.float32(0.02) * np.float32(0.004) / np.float32(0.11)
    sums = np.maximum((x - 131) @ w + b, 0).astype(np.float32)
    expected = np.clip(np.rint(sums * factor) + 120, 0, 255).astype(np.uint8)
    assert np.unique(expected).size > 50
    found = ncc.load(tmp_path / "layer.neff")(x.astype(np.uint8))
    np.testing.assert_array_equal(found, expected)
