"""Products rounded to bf16: layouts that suit them, against the interpreter on the same graph."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.target import Target
from ncc.compiler import PHASES, run_phases
from ncc.frontends.onnx import import_onnx
from ncc.ir.interpret import interpret
from ncc.ir.op import load_ops
from ncc.ir.ops.segment import Segment
from ncc.options import AutoCast, Options
from tests.guarded import Edge, survives
from tests.machine_code import RUNNABLE
from tests.suite.case import Case, Const, node_case, seeded
from tests.suite.engines import MachineCode

NARROW = Options(auto_cast=AutoCast.matmult)
IMAGE = seeded(2, 3, 13, 36)
CASES = {
    "an image of three channels": node_case(
        "Conv", IMAGE, Const(seeded(20, 3, 3, 3)), strides=[2, 2]
    ),
    "the same with zeros around": node_case(
        "Conv", IMAGE, Const(seeded(8, 3, 7, 7)), pads=[3, 3, 3, 3], strides=[2, 2]
    ),
    "five channels in a row": node_case("Conv", seeded(1, 5, 40), Const(seeded(33, 5, 4))),
    "three channels in groups": node_case("Conv", IMAGE, Const(seeded(6, 1, 3, 3)), group=3),
    "groups of four channels": node_case(
        "Conv", seeded(2, 12, 9, 20), Const(seeded(9, 4, 3, 3)), group=3, strides=[1, 2]
    ),
    "filters that are computed": node_case("Conv", IMAGE, seeded(9, 3, 3, 3)),
    "a sum that fills no whole steps": node_case("MatMul", seeded(2, 40, 197), seeded(2, 197, 50)),
}


@pytest.mark.parametrize("edge", Edge)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "target", [t for t in RUNNABLE if t.has_bf16_dot], ids=lambda target: target.name
)
def test_products_equal_the_interpreters(target: Target, case: Case, edge: Edge) -> None:
    load_ops()
    graph = import_onnx(case.model, dims={}, shapes={})
    reference = run_phases(graph, NARROW, target, ["simplify", "precision"])
    inputs = [case.inputs[value.name] for value in graph.inputs]
    (wanted,) = interpret(reference, inputs)
    (segment,) = run_phases(graph, NARROW, target, list(PHASES)).outputs
    assert segment.node is not None
    op = segment.node.op
    assert isinstance(op, Segment)

    code = MachineCode(op.body, target)

    def check() -> None:
        (got,) = code.run(inputs, edge)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-4)

    survives(check)
