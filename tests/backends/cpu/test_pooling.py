"""Narrow floats as integers in the same order, and windows that reach over borders."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.kernels.pooling import from_order, ordered
from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import Buffer, For, Kernel, Load, Role, Store, Var
from ncc.backends.cpu.target import Target
from ncc.ir.types import DType
from tests.backends.cpu.device_graphs import assert_runs
from tests.machine_code import each_target

COUNT = 1 << 16
BITS = np.arange(COUNT, dtype=np.uint16)


@pytest.mark.parametrize("dtype", [DType.bf16, DType.f16])
def test_narrow_floats_are_ordered_as_integers(dtype: DType) -> None:
    x = Buffer("x", dtype, COUNT, Role.input)
    y = Buffer("y", DType.i16, COUNT, Role.output)
    back = Buffer("z", dtype, COUNT, Role.output)
    i = Var("i")
    place = ordered(Load(x, i))
    stores = (Store(y, i, place), Store(back, i, from_order(place, dtype)))
    kernel = Kernel("kernel", (x, y, back), (), (For(i, COUNT, stores),))
    places, values = np.zeros(COUNT, np.int16), np.zeros(COUNT, dtype.numpy)
    run_loops(kernel, [BITS.view(dtype.numpy), places, values])
    numbers = BITS.view(dtype.numpy).astype(np.float32)
    order = np.argsort(places, kind="stable")
    assert np.array_equal(values.view(np.uint16), BITS)
    assert np.all(np.isnan(numbers[order][-np.isnan(numbers).sum() :]))
    finite = numbers[order][: -np.isnan(numbers).sum()]
    assert np.all(finite[:-1] <= finite[1:])


@each_target
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_means_of_many_channels_at_once_see_zeros_beyond_the_border(
    dtype: str, target: Target
) -> None:
    text = f"""graph @g(%x: {dtype}[1, 8, 8, 192]) {{
      %0 = transpose(%x) {{perm = [0, 3, 1, 2]}}
      %1 = average_pool(%0) {{kernel = [9, 9], strides = [8, 8], low = [4, 4], high = [4, 4],
                             dilations = [1, 1], count_include_pad = true}}
      return %1
    }}"""
    assert_runs(text, target)
