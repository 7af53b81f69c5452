"""Quantized convolutions and products in integers of 8 bits: exact, whatever the zero points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import ncc
from ncc.backends.cpu.target import TARGETS
from ncc.runtime.cpu import this_host

Array = npt.NDArray[Any]
DOTS = [
    target.name
    for target in TARGETS.values()
    if target.has_byte_dot and this_host().features.issuperset(target.flags)
]
TYPES = {np.dtype(np.int8): TensorProto.INT8, np.dtype(np.uint8): TensorProto.UINT8}
SIGNED, UNSIGNED = (np.dtype(np.int8), 0), (np.dtype(np.uint8), 128)
"""Types of bytes, with the one in the middle."""
FILTERS = 130
"""Enough for filters with a zero point."""
PLACES = [(3, 20, 1), (32, FILTERS, 0), (21, 8, 2)]
"""Channels, filters and padding of convolutions."""


def model(op: str, x: Array, zeros: Sequence[Array], w: Array, **attributes: Any) -> ModelProto:
    """MatMulInteger or ConvInteger of an input `x` and constant `w`, and their zero points."""
    constants = {"w": w, "x_zero": zeros[0], "w_zero": zeros[1]}
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "w", "x_zero", "w_zero"], ["y"], **attributes)],
        "product",
        [helper.make_tensor_value_info("x", TYPES[x.dtype], x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def draw(dtype: np.dtype[Any], *shape: int) -> Array:
    limits = np.iinfo(dtype)
    numbers = np.random.default_rng(shape).integers(limits.min, int(limits.max) + 1, shape)
    return numbers.astype(dtype)


def run(proto: ModelProto, target: str, x: Array, path: Path) -> Array:
    """The result on the device."""
    ncc.compile(proto, target=target, host=False).save(path)
    found = ncc.load(path)(x)
    assert isinstance(found, np.ndarray)
    return found


def convolved(x: Array, w: Array, pads: int) -> Array:
    """Sums in i64, of which padding has no part."""
    around = ((0, 0), (0, 0), (pads, pads), (pads, pads))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, around), w.shape[2:], (2, 3))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, w))


@pytest.mark.parametrize("target", DOTS)
@pytest.mark.parametrize("x_zero", [0, 7, -128])
@pytest.mark.parametrize("w_zero", [0, -5])
@pytest.mark.parametrize("kind", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize(("rows", "depth"), [(1, 67), (2, 64), (37, 130), (5, 1)])
def test_products_of_matrices_are_exact(
    target: str,
    kind: tuple[np.dtype[Any], int],
    x_zero: int,
    w_zero: int,
    rows: int,
    depth: int,
    tmp_path: Path,
) -> None:
    dtype, middle = kind
    x, w = draw(dtype, rows, depth), draw(dtype, depth, FILTERS)
    zeros = [np.array(zero + middle).astype(dtype) for zero in (x_zero, w_zero)]
    found = run(model("MatMulInteger", x, zeros, w), target, x, tmp_path / "product.neff")
    left, right = (
        value.astype(np.int64) - int(zero) for value, zero in zip((x, w), zeros, strict=True)
    )
    np.testing.assert_array_equal(found, left @ right)


@pytest.mark.parametrize("target", DOTS)
@pytest.mark.parametrize("x_zero", [0, 7, -128])
@pytest.mark.parametrize("w_zero", [0, -5])
@pytest.mark.parametrize(("channels", "filters", "pads"), PLACES)
def test_convolutions_are_exact_and_padded_with_nothing(
    target: str, x_zero: int, w_zero: int, channels: int, filters: int, pads: int, tmp_path: Path
) -> None:
    (signed, _), (unsigned, middle) = SIGNED, UNSIGNED
    x, w = draw(unsigned, 2, channels, 9, 11), draw(signed, filters, channels, 3, 3)
    zeros = np.array(x_zero + middle, unsigned), np.array(w_zero, signed)
    proto = model("ConvInteger", x, zeros, w, pads=[pads] * 4)
    found = run(proto, target, x, tmp_path / "conv.neff")
    left, right = x.astype(np.int64) - int(zeros[0]), w.astype(np.int64) - w_zero
    np.testing.assert_array_equal(found, convolved(left, right, pads))


@pytest.mark.parametrize("target", DOTS)
def test_weights_take_a_byte_each(target: str, tmp_path: Path) -> None:
    (signed, _), (unsigned, _) = SIGNED, UNSIGNED
    x, w = draw(unsigned, 64, 512), draw(signed, 512, 512)
    zeros = np.zeros((), unsigned), np.zeros((), signed)
    run(model("MatMulInteger", x, zeros, w), target, x, tmp_path / "product.neff")
    assert (tmp_path / "product.neff").stat().st_size < 1.2 * w.nbytes
