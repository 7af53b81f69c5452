"""Seeded inputs for any ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

Array = npt.NDArray[Any]

BOUNDS = {"input_ids": 30522}
"""Exclusive upper bound of the integers an input takes; others get 0 and 1, safe as any index."""


def seeded_inputs(path: Path, dims: Mapping[str, int], seed: int = 0) -> dict[str, Array]:
    """One array per graph input that no initializer fills, in graph order.

    Symbols take their size from `dims`; KeyError names one that is missing. Floats are normal,
    integers uniform; attention masks hide the last quarter, as padding does.
    """
    graph = onnx.load(path, load_external_data=False).graph
    random = np.random.default_rng(seed)
    stored = {tensor.name for tensor in graph.initializer}
    return {
        value.name: _draw(random, value.name, _shape(value, dims), _dtype(value))
        for value in graph.input
        if value.name not in stored
    }


def _shape(value: onnx.ValueInfoProto, dims: Mapping[str, int]) -> tuple[int, ...]:
    sizes = value.type.tensor_type.shape.dim
    return tuple(dims[d.dim_param] if d.dim_param else int(d.dim_value) for d in sizes)


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _draw(
    random: np.random.Generator, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    if name == "attention_mask":
        tokens = shape[-1]
        return np.broadcast_to(np.arange(tokens) < tokens - tokens // 4, shape).astype(dtype)
    if dtype.kind == "f":
        return random.standard_normal(shape, dtype=np.float32).astype(dtype)
    return random.integers(0, BOUNDS.get(name, 2), shape).astype(dtype)
