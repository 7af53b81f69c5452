"""The node tests that ONNX publishes for backends, through the frontend and the interpreter."""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, TensorProto, numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from ncc.frontends.onnx import read_onnx
from ncc.frontends.onnx.registry import find_importer
from ncc.ir.interpret import interpret

SKIPPED = {
    r"FNUZ|FLOAT4E2M1|float4e2m1|E8M0|INT2(_|$)|_u?int2$": "the IR has no such element type",
    r"bernoulli": "random numbers",
    r"training": "training mode",
    r"affine_grid.*_expanded": "its sizes are inputs there, and decide ranks",
    r"dft_irfft": "the inverse of half of the bins",
    r"dft_inverse": "wants the noise of f32 where a value is 0",
    r"test_not_[234]d$|scan_sum": "opsets 1 and 8",
    r"equal_string": "strings",
    r"sequence|identity_opt|loop1[36]_seq|if_(opt|seq)|optional": "sequences and optionals",
    r"downsample_scales_(linear|cubic)_align_corners$": "onnxruntime and we count whole elements",
}
"""Names of tests that are not run, and why."""

NOT_YET = {
    "strings": ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
    "decoding of images and text": ("ImageDecoder", "TfIdfVectorizer"),
}
"""Op types of ai.onnx without an importer; other domains than ai.onnx are not run at all."""

CONSTANTS = {
    "AffineGrid": (1,),
    "Col2Im": (1, 2),
    "DFT": (1, 2),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Upsample": (1,),
}
"""Operands that the tests feed and that real models have as initializers."""

LEAST = 1500
"""Tests that must have been found and run, so that a loader that finds less is noticed."""


@cache
def cases() -> tuple[TestCase, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    return tuple(case for case in found if case.model is not None and _is_run(case))


def _is_run(case: TestCase) -> bool:
    assert case.model is not None
    missing = {op_type for group in NOT_YET.values() for op_type in group}
    ours = all(
        node.domain in {"", "ai.onnx"} and node.op_type not in missing
        for node in case.model.graph.node
    )
    return ours and not any(re.search(pattern, case.name) for pattern in SKIPPED)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_node(case: TestCase) -> None:
    assert case.model is not None
    assert case.data_sets is not None
    given, wanted = ([_array(value) for value in values] for values in case.data_sets[0])
    names = [info.name for info in case.model.graph.input]
    inputs = dict(zip(names, given, strict=True))
    model = read_onnx(_with_constants(case.model, inputs))
    open_inputs = [item.name for item in model.inputs if not item.type.is_static]
    graph = model.graph(dims={}, shapes={name: inputs[name].shape for name in open_inputs})
    got = interpret(graph, [inputs[value.name] for value in graph.inputs])
    for ours, theirs in zip(got, wanted, strict=True):
        _assert_equal(np.asarray(ours), theirs, case)


def test_enough_cases_are_run() -> None:
    assert len(cases()) >= LEAST


@pytest.mark.parametrize("op_type", [name for group in NOT_YET.values() for name in group])
def test_what_is_skipped_is_missing(op_type: str) -> None:
    assert find_importer(op_type, opset=28) is None


def _array(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, TensorProto):
        return np.asarray(numpy_helper.to_array(value))
    return np.asarray(value)


def _with_constants(model: ModelProto, inputs: dict[str, npt.NDArray[Any]]) -> ModelProto:
    """The model with the inputs that `CONSTANTS` lists given as initializers."""
    made = ModelProto()
    made.CopyFrom(model)
    for node in model.graph.node:
        for index in CONSTANTS.get(node.op_type, ()):
            name = node.input[index] if index < len(node.input) else ""
            if name in inputs:
                made.graph.initializer.append(numpy_helper.from_array(inputs[name], name))
    return made


def _assert_equal(got: npt.NDArray[Any], want: npt.NDArray[Any], case: TestCase) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if want.dtype.kind not in "fV":
        np.testing.assert_array_equal(got, want)
        return
    rtol, atol = _ROUNDINGS.get(want.dtype.name, (case.rtol, case.atol))
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=rtol, atol=atol)


_ROUNDINGS = {
    "float16": (4e-3, 1e-3),
    "bfloat16": (2e-2, 1e-2),
    "float8_e4m3fn": (0.13, 0.01),
    "float8_e5m2": (0.26, 0.01),
}
"""Relative and absolute tolerance of narrow types: a few units in the last place."""
