"""pack_panels: where each element lies, what is padded, and what it refuses."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from ncc.backends.cpu.kernels.pack import PackPanels
from ncc.diagnostics import NccError
from ncc.ir.op import Array
from ncc.ir.types import DType, TensorType

SHAPES = [(1, 1, 1, 1), (1, 16, 1, 8), (2, 17, 3, 5), (3, 31, 1, 7), (1, 64, 9, 6)]


def place(op: PackPanels, x: TensorType, at: tuple[int, int, int, int]) -> int:
    """Where `Pack` says that an element lies."""
    group, n, k, r = at
    pack = op.layout(x)
    panels = -(-x.dims[1] // pack.nr)
    run = -(-x.dims[3] // pack.kr) * pack.kr
    start = group * panels * pack.panel + k * run * pack.nr
    column = pack.panel * (n // pack.nr) + pack.kr * (n % pack.nr)
    return start + column + (r // pack.kr) * (pack.kr * pack.nr) + r % pack.kr


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("nr", "kr"), [(16, 1), (16, 2), (48, 2), (4, 4)])
def test_every_element_is_where_the_layout_says_and_the_rest_is_zero(
    shape: tuple[int, int, int, int], nr: int, kr: int
) -> None:
    x = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    op = PackPanels(nr, kr)
    kind = TensorType(DType.f32, shape)
    packed = op.eval(x)
    assert (packed.size,) == op.infer(kind).shape
    expected = np.zeros_like(packed)
    for at in np.ndindex(*shape):
        expected[place(op, kind, at)] = x[at]
    np.testing.assert_array_equal(packed, expected)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float64, np.int8])
def test_elements_keep_their_bits(dtype: type) -> None:
    x: Array = np.arange(60).astype(dtype).reshape(1, 5, 2, 6)
    packed = PackPanels(16, 2).eval(x)
    assert packed.dtype == x.dtype
    assert packed[:12:2].tolist() == [*x[0, :5, 0, 0].tolist(), 0]


def test_a_transposed_view_packs_like_its_copy() -> None:
    x = np.arange(7 * 33, dtype=np.float32).reshape(7, 33).T[None, :, None, :]
    np.testing.assert_array_equal(
        PackPanels(16, 2).eval(x), PackPanels(16, 2).eval(np.ascontiguousarray(x))
    )


def test_an_operand_without_four_axes_is_refused() -> None:
    with pytest.raises(NccError, match=r"takes static \[groups, columns, k, run\]"):
        PackPanels(16, 1).infer(TensorType(DType.f32, (4, 4)))
