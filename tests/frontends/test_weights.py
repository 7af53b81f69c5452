"""Weights stay in their file, whatever way the model stores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ncc.diagnostics import ExitCode, NccError
from ncc.frontends.onnx import read_onnx
from ncc.frontends.onnx.wire import parse_lean
from ncc.ir.ops.weight import Weight
from tests.frontends.build import load, model, run

Array = npt.NDArray[Any]
TEXT = """g (float[1] x) => (float[1] y) {
    s = Cast <to = 1> (w) t = ReduceSum <keepdims = 0> (s) y = Add(x, t)
}"""
LARGE = np.arange(600, dtype=np.float32)


def weights(source: ModelProto | Path) -> dict[str, Weight]:
    ops = [node.op for node in load(source).nodes]
    return {op.label: op for op in ops if isinstance(op, Weight)}


def saved(source: ModelProto, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(source.SerializeToString())
    return path


def test_a_large_weight_is_a_slice_of_the_model(tmp_path: Path) -> None:
    path = saved(model(TEXT, w=LARGE), tmp_path)
    op = weights(path)["w"]
    assert op.slice is not None
    assert op.slice.file == str(path)
    data = path.read_bytes()[op.slice.offset : op.slice.offset + op.slice.nbytes]
    assert data == LARGE.tobytes()
    np.testing.assert_array_equal(op.eval(), LARGE)


@pytest.mark.parametrize("padding", range(4))
def test_a_weight_may_lie_at_any_byte(padding: int, tmp_path: Path) -> None:
    source = model(TEXT, w=LARGE)
    source.producer_name = "p" * (1 + padding)
    op = weights(saved(source, tmp_path))["w"]
    assert op.slice is not None
    np.testing.assert_array_equal(op.eval() * 2, LARGE * 2)


def test_a_small_tensor_is_a_literal() -> None:
    graph = load(model(TEXT, w=LARGE[:3]))
    assert not any(isinstance(node.op, Weight) for node in graph.nodes)


DTYPES: list[npt.DTypeLike] = [
    np.float64,
    np.float16,
    ml_dtypes.bfloat16,
    np.int8,
    np.uint8,
    np.int16,
    np.int32,
    np.int64,
    np.uint64,
    np.bool_,
    ml_dtypes.int4,
    ml_dtypes.uint4,
]


@pytest.mark.parametrize("size", [7, 2201])
@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_every_way_to_store_a_tensor(dtype: npt.DTypeLike, typed: bool, size: int) -> None:
    array = (np.arange(size) % 7).astype(dtype)
    tensor = numpy_helper.from_array(array)
    if typed:
        values = array.astype(np.float64) if array.dtype.kind == "V" else array
        tensor = helper.make_tensor("w", tensor.data_type, array.shape, values.tolist())
    (got,) = run(model(TEXT, opset=21, w=tensor), [0])
    assert got == array.astype(np.int64).sum()


def test_large_typed_floats_are_mapped_too(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, LARGE.shape, LARGE)
    path = saved(model(TEXT, w=tensor), tmp_path)
    slice = weights(path)["w"].slice
    assert slice is not None
    assert slice.file == str(path)


def test_large_constants_and_those_in_functions_are_mapped(tmp_path: Path) -> None:
    source = model(
        """g (float[600] x) => (float[600] y) { a = Constant() b = Add(a, x) y = my.f(b) }
        <domain: "my", opset_import: ["": 17]> f (x) => (y) { c = Constant() y = Add(c, x) }"""
    )
    for node in (source.graph.node[0], source.functions[0].node[0]):
        node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(LARGE)))
    path = saved(source, tmp_path)
    found = [op.slice for op in weights(path).values()]
    assert [slice.file for slice in found if slice] == [str(path)] * 2
    np.testing.assert_array_equal(run(path, LARGE)[0], 3 * LARGE)


def test_the_lean_model_has_no_weights() -> None:
    data = model(TEXT, w=np.zeros(1 << 20, np.float32)).SerializeToString()
    lean = parse_lean(memoryview(data))
    assert lean.ByteSize() < 2000
    assert onnx.load_from_string(data).graph.node == lean.graph.node


@pytest.mark.parametrize("size", [3, 2000])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_nan_is_refused_unless_it_is_allowed(size: int, dtype: npt.DTypeLike) -> None:
    array = np.zeros(size, dtype)
    array[size // 2] = np.nan
    source = model(TEXT, w=array)
    with pytest.raises(NccError) as caught:
        load(source)
    assert (caught.value.code, caught.value.exit) == ("nan-weight", ExitCode.INVALID_MODEL)
    assert "'w'" in caught.value.message
    assert np.isnan(run(source, [0], allow_nan=True)[0]).all()


def test_weights_that_nothing_reads_are_ignored() -> None:
    source = model(TEXT, w=LARGE, unused=np.full(2000, np.nan, np.float32))
    assert list(weights(source)) == ["w"]


def test_an_initializer_that_is_also_an_input_is_no_input() -> None:
    source = model("g (float[1] x, float[1] w) => (float[1] y) { y = Add(x, w) }", w=LARGE[5:6])
    assert [value.name for value in load(source).inputs] == ["x"]
    assert run(source, [1.0])[0] == 6


def test_two_sizes_share_what_was_read(tmp_path: Path) -> None:
    source = model("g (float[n] x) => (float[n] y) { s = ReduceSum(w) y = Add(x, s) }", w=LARGE)
    loaded = read_onnx(saved(source, tmp_path))
    one, two = (loaded.graph(dims={"n": n}, shapes={}) for n in (1, 2))
    assert [graph.inputs[0].tensor.dims for graph in (one, two)] == [(1,), (2,)]
    assert one.nodes[0].op == two.nodes[0].op
    assert len(loaded.tensors.scanned) == 1


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    for factor in (1, 2):
        path = saved(model(TEXT, w=LARGE * factor), tmp_path)
        assert run(path, [0])[0] == factor * LARGE.sum()


def test_sparse_initializers_are_refused() -> None:
    source = model(TEXT)
    source.graph.sparse_initializer.add().values.name = "w"
    with pytest.raises(NccError, match="sparse") as caught:
        load(source)
    assert caught.value.exit is ExitCode.UNSUPPORTED
