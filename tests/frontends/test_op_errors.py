"""Nodes that ask for what cannot be: the error names the node, the numbers and the way out."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from ncc.diagnostics import ExitCode, NccError
from ncc.frontends.onnx import import_onnx
from tests.frontends.build import model
from tests.suite.case import Case, Const, node_case, seeded
from tests.suite.cases_attention import grouped
from tests.suite.cases_microsoft import bytes_of, looked_up, microsoft, of_opset, unit

X = seeded(2, 3, 4)
INDICES = np.array([[0, 1], [2, 3]])
BYTES, UNIT = bytes_of(2, 3, seed=0), unit(0.1, 3)


def ints(*numbers: int) -> Const:
    return Const(np.array(numbers, np.int64))


TABLE = Const(np.array([[0, 1]], np.int64))


WRONG: list[tuple[Case, str]] = [
    (node_case("Squeeze", X, ints(1)), "axes [1] of f32[2, 3, 4] have other sizes than 1"),
    (node_case("Squeeze", X, ints(3)), "axis 3 of a tensor of 3 axes"),
    (node_case("Unsqueeze", X, ints(1, 1)), "axis named twice in [1, 1]"),
    (node_case("Flatten", X, axis=4), "axis 4 of f32[2, 3, 4]"),
    (node_case("Reshape", X, ints(-1, -1)), "shape [-1, -1] leaves more than one size open"),
    (node_case("Reshape", X, ints(5, -1)), "cannot reshape [2, 3, 4] to [5, -1]"),
    (node_case("Reshape", X, ints(2, 3, 2, 0)), "shape [2, 3, 2, 0] of [2, 3, 4]"),
    (node_case("Reshape", X, ints(-2)), "shape [-2] of [2, 3, 4]"),
    (
        node_case("DepthToSpace", seeded(1, 6, 2, 2), blocksize=2),
        "6 channels are not squares of 2 x 2",
    ),
    (
        node_case("SpaceToDepth", seeded(1, 6, 2, 3), blocksize=2),
        "2 x 3 pixels are not squares of 2 x 2",
    ),
    (node_case("SpaceToDepth", X, blocksize=2), "f32[2, 3, 4], which is not [N, C, H, W]"),
    (node_case("Concat", X, X, axis=3), "axis 3 of a tensor of 3 axes"),
    (
        node_case("Split", X, ints(1, 1), outputs=2, axis=1),
        "f32[2, 3, 4] split along axis 1 into 2 parts of [1, 1]",
    ),
    (node_case("Split", X, TABLE, outputs=2), "input 1 is i64[1, 2], not a list of integers"),
    (node_case("Slice", X, ints(0), ints(1), ints(0), ints(0)), "a slice with step 0"),
    (node_case("Slice", X, ints(0), ints(1), TABLE), "input 3 is i64[1, 2], not a list"),
    (node_case("Slice", X, ints(0), TABLE), "input 2 is i64[1, 2], not a list"),
    (node_case("Pad", X, ints(1, 1), None, TABLE, opset=18), "input 3 is i64[1, 2], not a list"),
    (node_case("Tile", X, ints(1, 2)), "2 repeats for the axes of f32[2, 3, 4]"),
    (node_case("Pad", X, ints(1, 2)), "2 pads for axes [0, 1, 2]"),
    (node_case("Pad", X, pads=[1], opset=10), "1 pads for the axes of f32[2, 3, 4]"),
    (node_case("Pad", X, ints(*[0] * 6), mode="mirror"), "'mirror' is not a mode of Pad"),
    (
        node_case("Pad", X, ints(-2, -1, 0, -1, 0, 0)),
        "negative pads cut more than f32[2, 3, 4] has",
    ),
    (
        node_case("Pad", X[:, :0], ints(0, 1, 0, 0, 0, 0), mode="edge"),
        "f32[2, 0, 4] has nothing to repeat along axis 1",
    ),
    (node_case("Gather", X, ints(2)), "index 2 of Gather is outside of f32[2, 3, 4]"),
    (
        node_case("GatherND", X, Const(np.array([[1, -4]]))),
        "index -4 of GatherND is outside of f32[2, 3, 4]",
    ),
    (node_case("TopK", X, ints(5), outputs=2), "topk of 5 out of 4 elements"),
    (node_case("ArgMax", X, axis=-4), "axis -4 of a tensor of 3 axes"),
    (node_case("ReduceSum", X, ints(0, -3)), "axis named twice in [0, 0]"),
    (node_case("ConstantOfShape", ints(2, -3)), "a tensor of sizes [2, -3]"),
    (node_case("EyeLike", X), "EyeLike of f32[2, 3, 4], which has not two axes"),
    (node_case("Trilu", X[0, 0]), "Trilu of f32[4], which has less than two axes"),
    (
        node_case("ReverseSequence", X, ints(1, 1, 1), batch_axis=1, time_axis=2),
        "batch axis 1 and time axis 2 are not 0 and 1",
    ),
    (
        node_case("QuantizeLinear", X, Const(seeded(2, 3, 3)), axis=2, block_size=2, opset=21),
        "f32[2, 3, 3] is not one number per block of 2 along axis 2",
    ),
    (
        microsoft("MatMulNBits", X, X, X, K=4, N=3, bits=4, block_size=0),
        "N, K and block_size are [3, 4, 0], each needs 1 or more",
    ),
    (
        looked_up(4, Const(np.zeros((6, 2), np.uint8))),
        "scales or zero points have other rows than u8[7, 24]",
    ),
    (
        microsoft("Attention", X[0], Const(seeded(4, 12)), num_heads=2),
        "f32[3, 4] is not [batch, tokens, numbers]",
    ),
    (
        microsoft(
            "Attention", X, Const(seeded(4, 12)), None, None, seeded(1, 2, 2, 1, 2), num_heads=2
        ),
        "a past of f32[1, 2, 2, 1, 2] is not keys and values",
    ),
    (
        of_opset(0, microsoft("QLinearSoftmax", BYTES, *UNIT, *UNIT)),
        "there is no Softmax of opset 0",
    ),
]


@pytest.mark.parametrize(("case", "message"), WRONG, ids=lambda item: str(item)[:60])
def test_an_invalid_node(case: Case, message: str) -> None:
    with pytest.raises(NccError) as caught:
        import_onnx(case.model, dims={}, shapes={})
    assert message in caught.value.message
    assert caught.value.exit is ExitCode.INVALID_MODEL
    assert case.model.graph.node[0].op_type in str(caught.value)


TRAINING = Const(np.array(True))

REFUSED: list[tuple[ModelProto, str]] = [
    (
        grouped(1, 9, [5], None, None, None, seeded(1, 4, 1, 6)).model,
        "GroupQueryAttention with a bias of f32[1, 4, 1, 6] for a cache of 9 places",
    ),
    (
        node_case("Dropout", X, Const(np.array(0.5, np.float32)), TRAINING, opset=13).model,
        "Dropout in training mode",
    ),
    (node_case("Cast", X, to=TensorProto.STRING).model, "a cast from f32 to string"),
    (
        model("g (float[2, 3] x, int64[2] s) => (y) { r = Reshape(x, s) y = Flatten(r) }"),
        "Flatten of a tensor with two sizes that the data decides",
    ),
    (
        model("g (float[2, 3] x) => (y) { i = NonZero(x) y = Squeeze(i) }"),
        "Squeeze of i64[2, ?] without axes: the data decides which go",
    ),
    (
        model("g (float[2, 3] x) => (y) { i = NonZero(x) y = Trilu(i) }"),
        "Trilu of i64[2, ?], whose sizes the data decides",
    ),
    (
        model("g (float[2, 3] x) => (y) { i = NonZero(x) y = RandomNormalLike<dtype = 1>(i) }"),
        "RandomNormalLike of i64[2, ?], whose size the data decides",
    ),
    (
        model(
            "g (float[2, 3] x, uint8[7, 24] d, float[7, 3] s) => (y) "
            "{ i = NonZero(x) y = com.microsoft.GatherBlockQuantized<block_size = 16>(d, i, s) }"
        ),
        "GatherBlockQuantized of i64[2, ?], whose sizes the data decides",
    ),
]


@pytest.mark.parametrize(("proto", "message"), REFUSED, ids=lambda item: str(item)[:40])
def test_a_valid_node_that_is_not_supported(proto: ModelProto, message: str) -> None:
    with pytest.raises(NccError) as caught:
        import_onnx(proto, dims={}, shapes={})
    assert caught.value.message == message
    assert caught.value.exit is ExitCode.UNSUPPORTED
