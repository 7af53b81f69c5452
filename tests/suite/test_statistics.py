"""Statistics of normalisations are exact where a difference of means would cancel."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.ir.graph import Builder, Value
from ncc.ir.interpret import evaluate
from ncc.ir.op import Op
from ncc.ir.ops.group_norm import GroupNorm
from ncc.ir.ops.layer_norm import LayerNorm
from ncc.ir.types import DType, TensorType
from tests.suite.case import Array, seeded

FAR = 1000 + seeded(2, 4, 300)
ONE, ZERO = np.ones(4, np.float32), np.zeros(4, np.float32)
NORMS: dict[str, tuple[Op, tuple[Array, ...], int]] = {
    "layer": (LayerNorm(2, 0.0), (np.ones(300, np.float32),), 2),
    "group": (GroupNorm(4, 0.0), (ONE, ZERO), 2),
}


@pytest.mark.parametrize(("op", "parameters", "axis"), NORMS.values(), ids=NORMS)
def test_far_from_zero(op: Op, parameters: tuple[Array, ...], axis: int) -> None:
    wide = FAR.astype(np.float64)
    centred = wide - wide.mean(axis, keepdims=True)
    exact = centred / np.sqrt(np.square(centred).mean(axis, keepdims=True))
    operands = (FAR, *parameters)
    for got in (op.eval(*operands), in_parts(op, operands)):
        np.testing.assert_allclose(got, exact, atol=2e-4)


def in_parts(op: Op, operands: tuple[Array, ...]) -> Array:
    """The result of what `op` decomposes into."""
    build = Builder()
    inputs = [Value(TensorType(DType.of(array.dtype), array.shape)) for array in operands]
    result = op.decompose(build, *inputs)
    known = dict(zip(inputs, operands, strict=True))
    for node in build.nodes:
        found = evaluate(node, tuple(known[value] for value in node.operands))
        known.update(zip(node.results, found, strict=True))
    assert isinstance(result, Value)
    return known[result]
