"""Pooling at odd shapes, with every way to say how it is padded."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, node_case, seeded

X1, X2, X3 = seeded(2, 3, 11), seeded(1, 3, 9, 10), seeded(1, 2, 5, 6, 7)
NARROW = X2.astype(np.float16)
BYTES = np.arange(3 * 90).reshape(1, 3, 9, 10).astype(np.uint8)

MAX = [
    node_case("MaxPool", X1, kernel_shape=[3], strides=[2]),
    node_case("MaxPool", X2, kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 2, 1]),
    node_case("MaxPool", X2, kernel_shape=[2, 3], dilations=[3, 2]),
    node_case("MaxPool", X2, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    node_case("MaxPool", X2, kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1),
    node_case("MaxPool", X2, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    node_case("MaxPool", X2, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    node_case("MaxPool", X2, kernel_shape=[5, 4], auto_pad="VALID"),
    node_case("MaxPool", X3, kernel_shape=[2, 3, 2], strides=[2, 1, 3]),
    node_case("MaxPool", NARROW, kernel_shape=[3, 3]),
    node_case("MaxPool", BYTES, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    node_case("MaxPool", X2.astype(np.float64), kernel_shape=[3, 3]),
    node_case("MaxPool", X2, kernel_shape=[2, 3], strides=[2, 2], outputs=2),
    node_case("MaxPool", X2, kernel_shape=[2, 3], pads=[1, 1, 0, 1], storage_order=1, outputs=2),
    node_case("GlobalMaxPool", X3),
]

AVERAGE = [
    node_case("AveragePool", X1, kernel_shape=[3], strides=[2]),
    node_case("AveragePool", X2, kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 2, 1]),
    node_case("AveragePool", X2, kernel_shape=[3, 2], pads=[1, 0, 2, 1], count_include_pad=1),
    node_case("AveragePool", X2, kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1),
    node_case("AveragePool", X2, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    node_case("AveragePool", X2, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    node_case("AveragePool", X2, kernel_shape=[2, 3], dilations=[2, 2], opset=19),
    node_case(
        "AveragePool",
        X2,
        kernel_shape=[3, 4],
        strides=[3, 3],
        pads=[1, 1, 1, 1],
        ceil_mode=1,
        count_include_pad=1,
    ),
    node_case("AveragePool", X3, kernel_shape=[2, 3, 2], pads=[0, 1, 1, 1, 0, 0]),
    node_case("AveragePool", NARROW, kernel_shape=[3, 3]),
    node_case("GlobalAveragePool", X2),
    node_case("GlobalAveragePool", X1),
    node_case("LpPool", X2, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    node_case("LpPool", X2, kernel_shape=[3, 2], p=3),
    node_case("LpPool", X1, kernel_shape=[3], p=1),
    node_case("GlobalLpPool", X2, p=2),
]

CASES: list[Case] = [*MAX, *AVERAGE]
