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
layer (uint8[64, 96] x) => (uint8[64, 48] y)
<float x_scale = {{0.02}}, uint8 x_zero = {{131}}, float w_scale = {{0.004}}, int8 w_zero = {{0}},
 float b_scale = {{0.00008}}, int32 b_zero = {{0}},
 float y_scale = {{0.11}}, uint8 y_zero = {{120}},
 int8[96, 48] w = {{{weights}}}, int32[48] b = {{{bias}}}>
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
    return parse_model(
        LAYER.format(weights=", ".join(map(str, w.ravel())), bias=", ".join(map(str, b)))
    )


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4", "native"])
def test_a_quantized_layer_is_exact(target: str, tmp_path: Path) -> None:
    x, w, b = integers(0, 256, 64, 96), integers(-128, 128, 96, 48), integers(-9000, 9000, 48)
    ncc.compile(model(w, b), target=target, auto_cast="none").save(tmp_path / "layer.neff")
    factor = np.float32(0.02) * np.float32(0.004) / np.float32(0.11)
    sums = np.maximum((x - 131) @ w + b, 0).astype(np.float32)
    expected = np.clip(np.rint(sums * factor) + 120, 0, 255).astype(np.uint8)
    assert np.unique(expected).size > 50
    found = ncc.load(tmp_path / "layer.neff")(x.astype(np.uint8))
    np.testing.assert_array_equal(found, expected)
