"""Sizes that turn out not to fit while a graph runs."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.diagnostics import NccError
from ncc.ir.interpret import interpret
from ncc.ir.text.parser import parse

NONE = np.zeros(3, bool)
WRONG = {
    "the largest of nothing": ("argmax(%k) {axis = 0} : i64[1, 2]", "argmax of f32[0, 2]"),
    "elements of other rows": ("add(%k, %y) : f32[3, 2]", "cannot broadcast [0, 2] and [3, 2]"),
    "rows beside others": ("concat(%k, %y) {axis = 1} : f32[3, 4]", "cannot concatenate f32[0, 2]"),
    "a row of nothing": ("gather(%k, %i) {axis = 0} : f32[1, 2]", "index 0 is outside"),
}


@pytest.mark.parametrize(("node", "message"), WRONG.values(), ids=WRONG)
def test_the_error_is_that_of_known_sizes(node: str, message: str) -> None:
    graph = parse(
        f"""graph @g(%x: f32[3, 2], %c: bool[3], %y: f32[3, 2], %i: i64[1]) from "m.onnx" {{
              %k = compress(%x, %c) {{axis = 0}}
              %r = {node}    @ "/node" Op
              return %r
            }}"""
    )
    x = np.ones((3, 2), np.float32)
    with pytest.raises(NccError) as caught:
        interpret(graph, [x, NONE, x, np.array([0])])
    assert message in caught.value.message
    assert "node '/node'" in str(caught.value)
