"""Every op case through the ONNX frontend and the interpreter: whole, in parts, simplified."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.frontends.onnx import import_onnx
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.interpret import interpret
from ncc.ir.verify import verify
from ncc.passes.canonicalize import canonicalize
from tests.suite.case import Case, all_cases, assert_close, run_reference


def decomposed(graph: Graph) -> Graph:
    """The graph after every composite op was replaced by its parts, down to atoms."""

    def visit(build: Builder, node: Node) -> Value | tuple[Value, ...] | None:
        return node.op.decompose(build, *node.operands)

    while (after := graph.rebuild(visit)) is not graph:
        graph = after
    return graph


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_equals_onnxruntime(case: Case) -> None:
    whole = import_onnx(case.model, dims={}, shapes={})
    inputs = [case.inputs[value.name] for value in whole.inputs]
    wanted = run_reference(case)
    for graph in dict.fromkeys([whole, decomposed(whole), canonicalize(whole)]):
        verify(graph)
        for ours, theirs in zip(interpret(graph, inputs), wanted, strict=True):
            assert_close(np.asarray(ours), theirs)
