"""Sequences, and parts of an axis that the data bounds: nothing of open size is left of either."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.types import TensorType
from tests.frontends.build import load, model, run

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

LISTS = {
    "made and read": """l = SequenceConstruct(x, b) y = SequenceAt(l, one) n = SequenceLength(l)
        z = Identity(y)""",
    "from the end": """l = SequenceConstruct(x, b, x) y = SequenceAt(l, back) n = SequenceLength(l)
        z = Identity(y)""",
    "grown at the end": """e = SequenceEmpty() l = SequenceInsert(e, x) k = SequenceInsert(l, b)
        y = ConcatFromSequence <axis = 1> (k) n = SequenceLength(k) z = Identity(y)""",
    "grown in front": """l = SequenceConstruct(x) k = SequenceInsert(l, b, zero)
        y = ConcatFromSequence <axis = -1> (k) n = SequenceLength(k) z = Identity(y)""",
    "grown before the last one": """l = SequenceConstruct(x, b) c = Abs(b)
        k = SequenceInsert(l, c, back) y = ConcatFromSequence <axis = 1> (k)
        n = SequenceLength(k) z = Identity(y)""",
    "on a new axis": """l = SequenceConstruct(x, b)
        y = ConcatFromSequence <axis = -1, new_axis = 1> (l)
        z = ConcatFromSequence <axis = 0, new_axis = 1> (l) n = SequenceLength(l)""",
    "with one taken out": """l = SequenceConstruct(x, b) k = SequenceErase(l, zero)
        j = SequenceErase(l) y = SequenceAt(k, zero) z = SequenceAt(j, zero)
        n = SequenceLength(k)""",
    "of parts of one size": """l = SplitToSequence <axis = 2> (x, three) y = SequenceAt(l, one)
        z = SequenceAt(l, zero) n = SequenceLength(l)""",
    "of parts of given sizes": """l = SplitToSequence <axis = -1> (x, sizes)
        y = SequenceAt(l, zero) z = SequenceAt(l, back) n = SequenceLength(l)""",
    "of single rows": """l = SplitToSequence <axis = 1, keepdims = 0> (x) n = SequenceLength(l)
        k = SplitToSequence <axis = 1> (x) y = SequenceAt(l, one) z = SequenceAt(k, one)""",
}

HEAD = """g (float[2,3,4] x) => (float y, float z, int64 n)
<int64 zero = {0}, int64 one = {1}, int64 back = {-1}, int64 three = {3}, int64[2] sizes = {1, 3}>
{ b = Neg(x) """


@pytest.mark.parametrize("nodes", LISTS.values(), ids=LISTS)
def test_lists_of_known_length(nodes: str) -> None:
    source = model(HEAD + nodes + "}")
    session = onnxruntime.InferenceSession(source.SerializeToString())
    for got, wanted in zip(run(source, X), session.run(None, {"x": X}), strict=True):
        np.testing.assert_array_equal(got, wanted)


def bags(reduction: str) -> str:
    """The rows of a table that each of three parts of a list of indices names, combined."""
    return f"""g (int64[9] ids, int64[4] ends) => (float y) <float[7,3] table, int64 three = {{3}},
    bool on = {{1}}, int64[1] axis = {{0}}, int64 one = {{1}}> {{
      y = Loop (three, on) <body = bag (int64 i, bool c) => (bool d, float[3] made) {{
        start0 = Gather(ends, i)
        next = Add(i, one)
        end0 = Gather(ends, next)
        start = Unsqueeze(start0, axis)
        end = Unsqueeze(end0, axis)
        part = Slice(ids, start, end)
        rows = Gather(table, part)
        made = {reduction} <keepdims = 0> (rows, axis)
        d = Identity(c)
      }}>
    }}"""


@pytest.mark.parametrize("reduction", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("ends", [[0, 2, 6, 9], [0, 5, 8, 9], [2, -4, 8, 99], [-99, 1, 3, -1]])
def test_bags_of_rows_have_known_sizes(reduction: str, ends: list[int]) -> None:
    table = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    source = model(bags(reduction), opset=18, table=table)
    graph = load(source)
    assert all(isinstance(v.type, TensorType) and v.type.is_static for v in graph.outputs)
    ids = np.array([3, 1, -1, 0, 6, 2, 2, -7, 5])
    session = onnxruntime.InferenceSession(source.SerializeToString())
    (got,) = run(source, ids, np.array(ends))
    (wanted,) = session.run(None, {"ids": ids, "ends": np.array(ends)})
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


REFUSED = {
    "the model returns one": ("g (float[2] x) => (float[2] l) { l = SequenceConstruct(x) }", 3),
    "another op reads one": (
        "g (float[2] x) => (float[2] y) { l = SequenceConstruct(x) y = Relu(l) }",
        4,
    ),
    "a tensor is no sequence": ("g (float[2] x) => (int64 y) { y = SequenceLength(x) }", 4),
    "nothing at a position": (
        """g (float[2] x) => (float[2] y) <int64 one = {1}>
        { l = SequenceConstruct(x) y = SequenceAt(l, one) }""",
        4,
    ),
    "nothing before the first": (
        """g (float[2] x) => (float y) <int64 back = {-2}> { l = SequenceConstruct(x)
        k = SequenceInsert(l, x, back) y = ConcatFromSequence <axis = 0> (k) }""",
        4,
    ),
    "several positions": (
        """g (float[2] x) => (float y) <int64[2] places = {0, 0}>
        { l = SequenceConstruct(x) y = SequenceAt(l, places) }""",
        4,
    ),
    "a table of sizes": (
        """g (float[2] x) => (float y) <int64[1, 2] sizes = {1, 1}, int64 one = {1}>
        { l = SplitToSequence(x, sizes) y = SequenceAt(l, one) }""",
        4,
    ),
    "nothing to join": (
        "g () => (float y) { l = SequenceEmpty() y = ConcatFromSequence <axis = 0> (l) }",
        4,
    ),
    "a position that the data decides": (
        "g (float[2] x, int64 i) => (float y) { l = SequenceConstruct(x) y = SequenceAt(l, i) }",
        3,
    ),
    "a length that the data decides": (
        """g (float[2] x, bool c) => (int64 y) <int64 one = {1}> {
          l = If (c) <then_branch = a () => (float[2] k) { k = SequenceConstruct(x) },
            else_branch = b () => (float[2] j) { j = SequenceConstruct(x, x) }>
          y = SequenceLength(l) }""",
        3,
    ),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_list_of_known_length_is_refused(text: str, code: int) -> None:
    with pytest.raises(NccError) as refused:
        load(model(text))
    assert refused.value.exit is ExitCode(code)
