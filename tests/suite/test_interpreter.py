"""Every op case, through the ONNX frontend and the interpreter, equals onnxruntime."""

from __future__ import annotations

import pytest

from ncc.frontends.onnx import import_onnx
from ncc.ir.interpret import interpret
from ncc.ir.verify import verify
from tests.suite.case import Case, all_cases, assert_close, run_reference


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_case(case: Case) -> None:
    graph = import_onnx(case.model, dims={}, shapes={})
    verify(graph)
    got = interpret(graph, [case.inputs[value.name] for value in graph.inputs])
    for ours, theirs in zip(got, run_reference(case), strict=True):
        assert_close(ours, theirs)
