"""The structure of ONNX graphs: order, names, branches, functions, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from ncc.diagnostics import ExitCode, Loc, NccError
from ncc.ir.ops.constant import Constant
from tests.frontends.build import load, model, run

X = [1.0, -2.0, 3.0]


def test_names_and_locations_are_kept() -> None:
    source = model("mlp (float[3] x) => (float[3] out) { hidden = Relu(x) out = Neg(hidden) }")
    source.graph.node[1].name = "/head/Neg"
    graph = load(source)
    assert (graph.name, graph.inputs[0].name, graph.output_names) == ("mlp", "x", ("out",))
    assert [node.locs for node in graph] == [
        (Loc("model", "hidden", "onnx Relu"),),
        (Loc("model", "/head/Neg", "onnx Neg"),),
    ]


def test_nodes_in_any_order() -> None:
    source = model("g (float[3] x) => (float[3] y) { y = Neg(b) b = Exp(a) a = Relu(x) }")
    assert [node.op.name for node in load(source)] == ["relu", "exp", "neg"]


def test_what_no_output_needs_is_left_out() -> None:
    source = model("g (float[3] x) => (float[3] y) { a = Relu(x) dead = Unknown(a) y = Neg(a) }")
    assert [node.op.name for node in load(source)] == ["relu", "neg"]


def test_inputs_and_constants_may_be_outputs() -> None:
    source = model("g (float[3] x) => (float[3] x, float[2] w, float[3] x2) { x2 = Identity(x) }")
    source.graph.initializer.extend(
        model("g () => () {}", w=np.ones(2, np.float32)).graph.initializer
    )
    x, w, again = run(source, X)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(w, [1, 1])


SHAPES = """g (float[n, 3, 4] x) => (float[] y) {
    shape = Shape(x)
    first = Gather <axis = 0> (shape, zero)
    batch = Unsqueeze(first, axes)
    wanted = Concat <axis = 0> (batch, rest)
    y = Reshape(x, wanted)
}"""


def test_shape_arithmetic_is_folded_away() -> None:
    numbers: dict[str, Any] = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    graph = load(model(SHAPES, **numbers), dims={"n": 2})
    live = [node.op.name for node in graph if not isinstance(node.op, Constant)]
    assert live == ["reshape"]
    assert graph.outputs[0].tensor.dims == (2, 12)


BRANCH = """g (float[3] x) => (float[3] y) {
    scaled = Mul(x, factor)
    y = If (choice) <
        then_branch = yes () => (float[3] a) { a = Add(scaled, offset) },
        else_branch = no () => (float[3] b) { unknown = Unknown(scaled) b = Neg(unknown) }
    >
}"""
NUMBERS: dict[str, Any] = {
    "factor": np.array([2], np.float32),
    "offset": np.array([10], np.float32),
}
ONE = np.array([1], np.float32)


def test_a_decided_if_is_the_branch_that_it_takes() -> None:
    (y,) = run(model(BRANCH, choice=np.array(True), **NUMBERS), X)
    np.testing.assert_array_equal(y, [12, 6, 16])


OPEN = BRANCH.replace("(float[3] x)", "(float[3] x, bool choice)")


def test_both_branches_of_an_if_that_the_data_decides_must_be_supported() -> None:
    error = refused(model(OPEN, **NUMBERS))
    assert (error.code, error.exit) == ("unsupported-op", ExitCode.UNSUPPORTED)
    assert "Unknown (1)" in error.message


def test_of_two_branches_that_can_always_run_the_data_takes_the_results() -> None:
    source = model(OPEN.replace("Unknown(", "Abs("), **NUMBERS)
    assert "if" not in {node.op.name for node in load(source)}
    np.testing.assert_array_equal(run(source, X, True)[0], [12, 6, 16])
    np.testing.assert_array_equal(run(source, X, False)[0], [-2, -4, -6])


def test_a_branch_of_open_sizes_runs_only_when_it_is_taken() -> None:
    places = "all = NonZero(scaled) row = Gather(all, zero) unknown = Gather(scaled, row)"
    source = model(OPEN.replace("unknown = Unknown(scaled)", places), zero=np.array(0), **NUMBERS)
    assert [node.op.name for node in load(source)][-1] == "if"
    np.testing.assert_array_equal(run(source, [1.0, 0.0, 3.0], True)[0], [12, 10, 16])
    np.testing.assert_array_equal(run(source, [1.0, 0.0, 3.0], False)[0], [-2, -6])


def test_a_branch_that_does_not_fit_the_sizes_fails_only_when_it_is_taken() -> None:
    product = "unknown = MatMul(scaled, offset)"
    source = model(OPEN.replace("unknown = Unknown(scaled)", product), **NUMBERS)
    np.testing.assert_array_equal(run(source, X, True)[0], [12, 6, 16])
    with pytest.raises(NccError, match="the other branch fails for these sizes"):
        run(source, X, False)


LOOP = """g (float[2] x, int64 n) => (float[2] last, float[k, 2] every) {
    last, every = Loop (TRIPS, goes_on, x) <body = trip (int64 i, bool before, float[2] s)
        => (bool after, float[2] next, float[2] kept) {
        after = Identity(before)
        next = Add(s, step)
        kept = Neg(s)
    }>
}"""
STEP: dict[str, Any] = {"goes_on": np.array(True), "step": np.array([1, 2], np.float32)}


def test_a_loop_of_known_trips_is_unrolled() -> None:
    source = model(LOOP.replace("TRIPS", "three"), three=np.array(3), **STEP)
    assert "loop" not in {node.op.name for node in load(source)}
    last, every = run(source, [0.0, 0.0], 0)
    assert (last.tolist(), every.tolist()) == ([3, 6], [[0, 0], [-1, -2], [-2, -4]])


@pytest.mark.parametrize("trips", [0, 2])
def test_a_loop_whose_trips_the_data_counts_runs_on_the_host(trips: int) -> None:
    source = model(LOOP.replace("TRIPS", "n"), **STEP)
    assert [node.op.name for node in load(source)][-1] == "loop"
    last, every = run(source, [0.0, 0.0], trips)
    assert last.tolist() == [trips, 2 * trips]
    assert every.shape == (trips, 2)


def test_the_branch_that_is_taken_must_be_supported() -> None:
    error = refused(model(BRANCH, choice=np.array(False), **NUMBERS))
    assert "Unknown" in error.message


FUNCTION = """g (float[3] x) => (float[3] y) { y = my.leaky <slope = 0.5> (x, bias) }
<domain: "my", opset_import: ["": 17]>
leaky <slope: float = 0.25, unused> (x, shift) => (y) {
    low = LeakyRelu <alpha: float = @slope> (x)
    y = Add(low, shift)
}"""


def test_a_function_is_expanded_with_its_attributes() -> None:
    source = model(FUNCTION, bias=ONE)
    np.testing.assert_array_equal(run(source, X)[0], [2, 0, 4])
    assert [node.locs[0].node for node in load(source).nodes[-2:]] == ["y/low", "y/y"]


def test_a_function_attribute_has_a_default() -> None:
    source = model(FUNCTION.replace("<slope = 0.5>", ""), bias=ONE)
    np.testing.assert_array_equal(run(source, X)[0], [2, 0.5, 4])


def test_a_function_may_lack_an_operand() -> None:
    text = """g (float[3] x) => (float[3] y) { y = my.clip(x) }
    <domain: "my", opset_import: ["": 17]> clip (x, low, high) => (y) { y = Clip(x, low, high) }"""
    np.testing.assert_array_equal(run(model(text), X)[0], X)


def test_a_function_gets_no_more_than_it_takes() -> None:
    assert "takes 2 inputs" in str(refused(model(FUNCTION.replace("(x, bias)", "(x, x, x)"))))


def test_an_op_that_onnx_writes_as_a_function() -> None:
    text = "g (float[2, 4] x) => (float[2, 4] y) { y = MeanVarianceNormalization <axes = [1]> (x) }"
    (y,) = run(model(text), np.arange(8).reshape(2, 4))
    np.testing.assert_allclose(y.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(1), 1, atol=1e-6)


def test_the_same_model_gives_the_same_graph() -> None:
    first, second = (load(model(FUNCTION, bias=ONE)) for _ in range(2))
    described = [[(n.op, n.locs, [v.type for v in n.operands]) for n in g] for g in (first, second)]
    assert described[0] == described[1]


def refused(source: ModelProto) -> NccError:
    with pytest.raises(NccError) as caught:
        load(source)
    return caught.value
