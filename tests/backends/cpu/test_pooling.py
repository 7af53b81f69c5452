"""Narrow floats as integers in the same order, for every bit pattern."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.kernels.pooling import from_order, ordered
from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import Buffer, For, Kernel, Load, Role, Store, Var
from ncc.ir.types import DType

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
