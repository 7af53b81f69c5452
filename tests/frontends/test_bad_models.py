"""Files that are no models, and models that are not valid: a clear error, whatever the bytes."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from ncc.diagnostics import ExitCode, NccError
from ncc.frontends.onnx import read_onnx, scope
from tests.frontends.build import load, model

GOOD = model(
    "g (float[2, 300] x) => (float[2, 2] y) { a = MatMul(x, w) y = Add(a, b) }",
    w=np.ones((300, 2), np.float32),
    b=np.zeros(2, np.float32),
)
DATA = GOOD.SerializeToString()

FILES = {
    "empty": (b"", "it is empty"),
    "truncated": (DATA[: len(DATA) // 2], "is not an ONNX model"),
    "zip": (b"PK\x03\x04" + bytes(100), "zip archive"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "text file"),
    "zeros": (bytes(2000), "has number 0"),
    "endless number": (b"\xff" * 2000, "more than ten bytes"),
    "another message": (b"\x0a\x03abc", "no graph"),
    "a group": (b"\x0b\x0c" + bytes(2000), "wire type 3"),
    "a bundle": (b"\x89NCC\r\n\x1a\n" + bytes(1016), "ncc run"),
    "no UTF-8": (DATA.replace(b"MatMul", b"\xff\xfeMul\x80"), "not UTF-8"),
}


@pytest.mark.parametrize(("data", "says"), FILES.values(), ids=FILES)
def test_not_a_model(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    error = refused(path)
    assert (error.code, error.exit) == ("invalid-model", ExitCode.INVALID_MODEL)
    assert says in str(error)


def test_a_folder_is_not_a_model(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.code, error.exit) == ("model-file", ExitCode.USAGE)
    assert "not a regular file" in str(error)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.onnx").exit is ExitCode.USAGE


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_never_crash(seed: int, tmp_path: Path) -> None:
    """A few bytes changed, removed or added: some error, or a model that still is one."""
    draw = random.Random(seed)
    data = bytearray(DATA)
    for _ in range(draw.randint(1, 8)):
        at = draw.choice([draw.randrange(len(data)), draw.randrange(120)])
        data[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with contextlib.suppress(NccError):
        load(path)


@pytest.mark.parametrize("size", [0, 1, 7, 100, 5000])
def test_random_bytes(size: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(random.Random(size).randbytes(size))
    assert refused(path).exit is ExitCode.INVALID_MODEL


INVALID = {
    "g (float[2] x) => (float[2] y) { a = Relu(b) b = Relu(a) y = Add(a, x) }": "wait for each",
    "g (float[2] x) => (float[2] y) { y = Relu(x) y = Neg(x) }": "'y' is defined twice",
    "g (float[2] x) => (float[2] y) { x = Relu(x) y = Neg(x) }": "'x' is defined twice",
    "g (float[2] x, float[2] x) => (float[2] y) { y = Relu(x) }": "two inputs are called 'x'",
    "g (float[2] x) => (float[2] y, float[2] y) { y = Relu(x) }": "two outputs are called 'y'",
    "g (float[2] x) => (float[2] y) { y = Add(x, nowhere) }": "'nowhere', read by",
    "g (float[2] x) => (float[2] z) { y = Relu(x) }": "'z', read by the graph's outputs",
    "g (float[2] x) => (float[2] y) { y = Add(x) }": "takes 2 inputs, not 1",
    "g (float[2] x) => (float[2] y) { y, z = Relu(x) }": "takes 1 outputs, not 2",
    "g (float[2] x) => (float[2] y) { y = Relu <alpha = 1.0> (x) }": "no attribute 'alpha'",
    "g (float[2] x) => (float[2] y) { y = LeakyRelu <alpha = 1> (x) }": "must be of type FLOAT",
    "g (float[2] x) => (float[2] y) { y = Transpose <perm = [3]> (x) }": "perm",
    "g (float[4] x) => (float y) { y = MaxPool(x) }": "needs an attribute 'kernel_shape'",
    "g (float[2, 3] x) => (float y) { y = MatMul(x, x) }": "cannot multiply",
    "g (float[1099511627777] x) => (float y) { y = Relu(x) }": "impossibly large",
}


@pytest.mark.parametrize("node", ["Relu(x)", "Unsqueeze(x, all)"])
def test_more_axes_than_a_bundle_has(node: str) -> None:
    rank = 33 if node == "Relu(x)" else 20
    sizes = ", ".join(["1"] * rank)
    axes = np.arange(20, dtype=np.int64)
    error = refused(model(f"g (float[{sizes}] x) => (float y) {{ y = {node} }}", all=axes))
    assert error.exit is ExitCode.UNSUPPORTED
    assert "axes, more than 32" in str(error)


@pytest.mark.parametrize(("text", "says"), INVALID.items(), ids=INVALID.values())
def test_invalid_graph(text: str, says: str) -> None:
    error = refused(model(text))
    assert error.exit is ExitCode.INVALID_MODEL
    assert says in str(error)


def test_the_node_at_fault_is_named() -> None:
    error = refused(
        model("g (float[2, 3] x) => (float y) { hidden = MatMul(x, x) y = Relu(hidden) }")
    )
    assert "node 'hidden' (onnx MatMul)" in str(error)


TENSORS = {
    "negative": TensorProto(dims=[-1], data_type=TensorProto.FLOAT, raw_data=b"1234"),
    "huge": TensorProto(dims=[1 << 40, 1 << 40], data_type=TensorProto.FLOAT, raw_data=b"1234"),
    "short": TensorProto(dims=[3], data_type=TensorProto.FLOAT, raw_data=b"1234"),
    "short and large": TensorProto(dims=[700], data_type=TensorProto.FLOAT, raw_data=bytes(2000)),
    "few": TensorProto(dims=[3], data_type=TensorProto.FLOAT, float_data=[1.0, 2.0]),
    "no data": TensorProto(dims=[1 << 30], data_type=TensorProto.FLOAT),
    "no type": TensorProto(dims=[1], raw_data=b"1234"),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_tensor_that_contradicts_itself(tensor: TensorProto) -> None:
    error = refused(model("g (float[1] x) => (float[1] y) { y = Add(x, w) }", w=tensor))
    assert error.exit is ExitCode.INVALID_MODEL


def test_every_missing_op_is_named_in_one_error() -> None:
    text = "g (float[2] x) => (float[2] y) { a = Foo(x) b = my.Bar(a) c = Foo(b) y = Relu(c) }"
    error = refused(model(text))
    assert (error.code, error.exit) == ("unsupported-op", ExitCode.UNSUPPORTED)
    assert "Foo (2), my.Bar (1)" in error.message
    assert [loc.node for loc in error.details.locs] == ["a", "c", "b"]


def test_strings_are_refused() -> None:
    error = refused(model("g (string[2] x) => (string[2] y) { y = Identity(x) }"))
    assert error.exit is ExitCode.UNSUPPORTED
    assert "input 'x' holds strings" in error.message


def test_a_model_in_memory_is_called_so() -> None:
    assert refused(ModelProto()).message.startswith("model is not an ONNX model")


@pytest.mark.parametrize("opset", [6, 99])
def test_opset_out_of_range(opset: int) -> None:
    error = refused(model("g (float[2] x) => (float[2] y) { y = Relu(x) }", opset=opset))
    assert (error.code, error.exit) == ("unsupported-opset", ExitCode.UNSUPPORTED)


def test_functions_that_double_each_other_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_NODES", 1000)
    calls = [
        f'<domain: "my", opset_import: ["": 17, "my": 1]> f{i} (x) => (y) '
        f"{{ a = my.f{i - 1}(x) y = my.f{i - 1}(a) }}"
        for i in range(1, 30)
    ]
    last = '<domain: "my", opset_import: ["": 17]> f0 (x) => (y) { y = Identity(x) }'
    text = "g (float[2] x) => (float[2] y) { y = my.f29(x) }\n" + "\n".join([last, *calls])
    assert refused(model(text)).exit is ExitCode.RESOURCE


def test_a_function_that_calls_itself_stops() -> None:
    text = """g (float[2] x) => (float[2] y) { y = my.f(x) }
    <domain: "my", opset_import: ["": 17, "my": 1]> f (x) => (y) { y = my.f(x) }"""
    assert "more than 32 deep" in str(refused(model(text)))


def test_graphs_nested_too_deep(tmp_path: Path) -> None:
    graph = _field(10, bytes(3000))
    for _ in range(60):
        graph = _field(1, _field(5, _field(6, graph)))
    path = tmp_path / "m.onnx"
    path.write_bytes(_field(7, graph))
    assert "nest deeper than 100" in str(refused(path))


def refused(source: Path | ModelProto) -> NccError:
    """The error that importing `source` gives."""
    with pytest.raises(NccError) as caught:
        load(source) if isinstance(source, ModelProto) else read_onnx(source).graph(
            dims={}, shapes={}
        )
    return caught.value


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _bytes(data)


def _bytes(data: bytes) -> bytes:
    """Length-prefixed bytes of the protobuf wire format."""
    size, prefix = len(data), bytearray()
    while size >= 0x80:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*prefix, size]) + data
