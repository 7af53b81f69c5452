"""Conversions between element types, quantization among them."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.suite.case import Array, Case, Const, f32, node_case, seeded

FLOATS = f32([-3.7, -0.5, -0.0, 0.4999, 1.0, 2.5, 100.25, 65519.0])
INTEGERS = np.array([-(2**40), -129, -1, 0, 1, 127, 255, 256, 2**40 + 3], np.int64)
TYPES = {
    "f64": TensorProto.DOUBLE,
    "f32": TensorProto.FLOAT,
    "f16": TensorProto.FLOAT16,
    "i8": TensorProto.INT8,
    "i32": TensorProto.INT32,
    "i64": TensorProto.INT64,
    "u8": TensorProto.UINT8,
    "u16": TensorProto.UINT16,
    "bool": TensorProto.BOOL,
}


def casts(x: Array, *names: str) -> list[Case]:
    return [node_case("Cast", x, to=TYPES[name], name=f"Cast {x.dtype} {name}") for name in names]


CASTS = [
    *casts(FLOATS, "f64", "f32", "f16", "i32", "i64", "bool"),
    *casts(FLOATS[:7], "i8"),
    *casts(FLOATS[2:], "u16"),
    *casts(FLOATS.astype(np.float64), "f32", "f16", "i64", "bool"),
    *casts(FLOATS.astype(np.float16), "f32", "i32", "bool"),
    *casts(INTEGERS, "f64", "f32", "i8", "i32", "u8", "bool"),
    *casts(INTEGERS.astype(np.int8), "f32", "u8", "i64", "f16"),
    *casts(INTEGERS > 0, "f32", "i64", "u8", "f16"),
    *casts(np.array([0.1, -1e300, np.inf]), "f32"),
    *casts(FLOATS[:0], "i32"),
    node_case("CastLike", FLOATS, np.zeros(1, np.int32), opset=15),
]

X = 3 * seeded(3, 4, 5)
BYTES = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) * np.uint8(4)
SCALE, SCALES = Const(np.array(0.03, np.float32)), Const(np.abs(seeded(4)) + f32(0.01))
ZERO, ZEROS = Const(np.array(100, np.uint8)), Const(np.arange(4, dtype=np.uint8))
SIGNED = Const(np.array([-3, 0, 7, 127], np.int8))
HALVES = f32([0.5, 1.5, 2.5, -0.5, 1e9, -1e9])
EDGES = np.resize(f32([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, 2.55, -0.05, 12.75]), 37)
TENTH = Const(np.array(0.1, np.float32))
BLOCKS = Const(np.abs(seeded(3, 2, 5, seed=1)) + f32(0.1))

QUANTIZED = [
    node_case("QuantizeLinear", X, SCALE, ZERO),
    node_case("QuantizeLinear", X, SCALE),
    node_case("QuantizeLinear", X, SCALES, SIGNED, axis=1, opset=13),
    node_case("QuantizeLinear", X, SCALES, axis=-2, opset=19),
    node_case("QuantizeLinear", HALVES, Const(np.array(1, np.float32)), ZERO),
    node_case("QuantizeLinear", EDGES, TENTH, ZERO),
    node_case("QuantizeLinear", EDGES, TENTH, Const(np.array(-5, np.int8))),
    node_case("QuantizeLinear", X, BLOCKS, axis=1, block_size=2, opset=21),
    node_case("DequantizeLinear", BYTES, SCALE, ZERO),
    node_case("DequantizeLinear", BYTES, SCALE),
    node_case("DequantizeLinear", BYTES, SCALES, ZEROS, axis=1, opset=13),
    node_case("DequantizeLinear", BYTES.astype(np.int8), SCALES, SIGNED, axis=1, opset=13),
    node_case("DequantizeLinear", BYTES.astype(np.int32), SCALE, opset=10),
    node_case("DequantizeLinear", BYTES, BLOCKS, axis=1, block_size=2, opset=21),
    node_case("DynamicQuantizeLinear", X, outputs=3),
    node_case("DynamicQuantizeLinear", np.abs(X), outputs=3, name="DynamicQuantizeLinear above 0"),
]

CASES: list[Case] = [*CASTS, *QUANTIZED]
