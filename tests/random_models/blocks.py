"""Products of matrices, and what networks are made of: several nodes that are fused."""

from __future__ import annotations

import numpy as np

from tests.random_models.sketch import Sketch
from tests.random_models.windows import ODD
from tests.suite.case import Array

CHANNELS_LAST = [0, 2, 3, 1]
CHANNELS_FIRST = [0, 3, 1, 2]


def product(s: Sketch) -> None:
    x = s.pick(2)
    *batch, rows, summed = s.shapes[x]
    size = s.draw.choice([1, 3, 16, 33])
    if s.draw.random() < 0.25:
        s.add("MatMul", s.weight(size, rows), x)
    else:
        s.add("MatMul", x, s.weight(*s.draw.choice([[], batch]), summed, size))


def affine(s: Sketch) -> None:
    x = s.pick(2, 2)
    size = s.draw.choice(ODD)
    flipped, turned = s.draw.choice([0, 1]), s.draw.choice([0, 1])
    summed = s.shapes[x][0 if flipped else 1]
    weight = s.weight(*([size, summed] if turned else [summed, size]))
    s.add("Gemm", x, weight, s.weight(size), transA=flipped, transB=turned, alpha=0.5)


def attend(s: Sketch) -> None:
    """Heads split from the last axis but one, in an order that memory need not have."""
    x = s.add("Expand", s.pick(3), s.ints(s.draw.choice([1, 2]), 1, 1, 1))
    last = len(s.shapes[x]) - 1
    y = s.add("Transpose", x, perm=[*s.draw.sample(range(last - 1), last - 1), last, last - 1])
    s.add("MatMul", s.add("Softmax", s.add("MatMul", x, y)), x)


def excite(s: Sketch) -> None:
    x = s.pick(4, 4)
    channels = s.shapes[x][1]
    narrow = s.add("Conv", s.add("GlobalAveragePool", x), s.weight(channels, channels, 1, 1))
    s.add("Mul", x, s.add("Sigmoid", narrow))


def shortcut(s: Sketch) -> None:
    """A convolution, and beside it a product of pixels whose channels are last."""
    x = s.pick(4, 4)
    channels, filters = s.shapes[x][1], s.draw.choice(ODD)
    kernel = s.draw.choice([1, 3])
    weight = s.weight(filters, channels, kernel, kernel)
    main = s.add("Conv", x, weight, pads=[kernel // 2] * 4)
    pixels = s.add("Transpose", x, perm=CHANNELS_LAST)
    beside = s.add("MatMul", pixels, s.weight(channels, filters))
    if s.draw.random() < 0.5:
        s.add("Add", main, s.add("Transpose", beside, perm=CHANNELS_FIRST))
    else:
        s.add("Add", s.add("Transpose", main, perm=CHANNELS_LAST), beside)


def permuted_shortcut(s: Sketch) -> None:
    """A convolution, added to its operand in an order of axes that memory does not have."""
    x = s.pick(3, 4)
    *others, filters = s.shapes[x]
    first = s.add("Transpose", x, perm=[0, len(others), *range(1, len(others))])
    ones = [1] * (len(others) - 1)
    main = s.add("Conv", first, s.weight(filters, filters, *ones))
    s.add("Add", main, first)


def detect(s: Sketch) -> None:
    """Predictions for the pixels of a few values, in one list; other convolutions pad the values.

    Pixels are made channels last, as in models that came from such a framework.
    """
    values = [s.pick(4, 4) for _ in range(s.draw.choice([1, 2]))]
    classes = s.draw.choice([1, 5, 17])
    shape = s.draw.choice([[1, -1, classes], [-1, classes], [-1]])
    lists = []
    for value in values:
        pixels = s.add("Transpose", value, perm=CHANNELS_LAST)
        pixels = s.add("MatMul", pixels, s.weight(s.shapes[value][1], classes))
        first = s.add("Transpose", pixels, perm=CHANNELS_FIRST)
        if s.draw.random() < 0.5:
            s.add("Conv", first, s.weight(8, classes, 3, 3), pads=[1] * 4)
        lists.append(s.add("Reshape", pixels, s.ints(*shape)))
    s.add("Concat", *lists, lists[0], axis=shape.index(-1))


def quantize(s: Sketch) -> None:
    """Integers multiplied: scales are powers of two, so that every engine rounds the same sums."""
    x = s.pick_input()
    offset = s.draw.choice([np.array(128, np.uint8), np.array(0, np.int8)])
    x = _rounded(s, x, 2**-5, offset)
    filters, rank = s.draw.choice(ODD), len(s.shapes[x])
    channels = s.shapes[x][1 if rank == 4 else -1]
    shape = (filters, channels, 3, 3) if rank == 4 else (channels, filters)
    numbers = np.random.default_rng(len(s.constants)).integers(-30, 30, shape, np.int8)
    weight = s.add("DequantizeLinear", s.constant(numbers), s.constant(np.array(2**-7, np.float32)))
    y = s.add("Conv", x, weight) if rank == 4 else s.add("MatMul", x, weight)
    _rounded(s, y, 2**-3, offset)


def _rounded(s: Sketch, x: str, scale: float, offset: Array) -> str:
    steps = s.constant(np.array(scale, np.float32)), s.constant(offset)
    return s.add("DequantizeLinear", s.add("QuantizeLinear", x, *steps), *steps)
