"""Where the largest elements stand: never in padding, on the host and on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import ncc
from tests.suite.case import node_case


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("least", [np.uint8(0), np.int8(-128), np.float32(-np.inf)])
def test_an_element_as_low_as_padding_comes_before_it(
    least: Any, size: int, tmp_path: Path
) -> None:
    """Few taps are compared on the device, many by the op."""
    x: npt.NDArray[Any] = np.full((1, 1, 5, 5), least)
    pads = [size // 2] * 4
    case = node_case(
        "MaxPool", x, outputs=2, opset=12, kernel_shape=[size] * 2, strides=[2, 2], pads=pads
    )
    ncc.compile(case.model).save(tmp_path / "pool.neff")
    with ncc.load(tmp_path / "pool.neff") as model:
        values, places = model.run(case.inputs).values()
    np.testing.assert_array_equal(values, least)
    first = np.maximum(np.arange(0, 5, 2) - size // 2, 0)
    np.testing.assert_array_equal(places[0, 0], first[:, None] * 5 + first)
