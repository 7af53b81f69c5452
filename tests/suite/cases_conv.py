"""Convolutions and transposed convolutions at odd shapes."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, Const, node_case, seeded

X1, X2, X3 = seeded(2, 6, 17), seeded(2, 6, 9, 11), seeded(1, 4, 5, 6, 7)
W1, W2, W3 = (Const(seeded(*shape, seed=1)) for shape in ((4, 6, 3), (4, 6, 3, 2), (3, 4, 2, 3, 2)))
BIAS = Const(seeded(4, seed=2))
DEPTHWISE = Const(seeded(12, 1, 3, 3, seed=3))
GROUPED = Const(seeded(8, 3, 3, 3, seed=4))

CONV = [
    node_case("Conv", X1, W1),
    node_case("Conv", X1, W1, BIAS, strides=[3], pads=[2, 1], dilations=[2]),
    node_case("Conv", X2, W2, BIAS),
    node_case("Conv", X2[:0], W2, BIAS, name="Conv of no pictures"),
    node_case("Conv", X2, W2, pads=[0, 1, 2, 3], strides=[2, 3]),
    node_case("Conv", X2, W2, dilations=[2, 3], pads=[1, 1, 1, 1]),
    node_case("Conv", X2, seeded(0, 6, 2, 2), name="Conv with no filters"),
    node_case("Conv", X2, GROUPED, group=2, dilations=[9, 2], pads=[9, 2, 9, 2], name="Conv far"),
    node_case("Conv", X2, W2, auto_pad="SAME_UPPER", strides=[2, 2]),
    node_case("Conv", X2, W2, auto_pad="SAME_LOWER", strides=[2, 3]),
    node_case("Conv", X2, W2, auto_pad="VALID", kernel_shape=[3, 2]),
    node_case("Conv", X2, DEPTHWISE, group=6, pads=[1, 1, 1, 1], name="Conv depthwise"),
    node_case("Conv", X2, GROUPED, group=2, strides=[2, 2], name="Conv in two groups"),
    node_case("Conv", X3, W3, strides=[2, 1, 2], pads=[1, 0, 1, 0, 1, 1]),
    node_case("Conv", X2, seeded(4, 6, 1, 1), name="Conv with filters from an input"),
    node_case("Conv", X2, seeded(4, 3, 3, 2), group=2, name="Conv of groups with such filters"),
    node_case("Conv", seeded(2, 12, 5, 7), seeded(8, 3, 3, 3), group=4, name="Conv in four groups"),
    node_case("Conv", X2, seeded(6, 1, 3, 3), group=6, name="Conv of channels with such filters"),
    node_case("Conv", X2.reshape(12, 1, 9, 11), Const(seeded(1, 1, 4, 3)), name="Conv of planes"),
    node_case("Conv", X2.astype(np.float16), Const(W2.array.astype(np.float16))),
]

T1, T2, T3 = seeded(2, 6, 7), seeded(1, 6, 4, 5), seeded(1, 2, 3, 4, 3)
V1, V2, V3 = (Const(seeded(*shape, seed=5)) for shape in ((6, 2, 4), (6, 4, 3, 4), (2, 3, 2, 3, 2)))

TRANSPOSED = [
    node_case("ConvTranspose", T1, V1, strides=[3], pads=[1, 2]),
    node_case("ConvTranspose", T2, V2, BIAS),
    node_case("ConvTranspose", T2, V2, BIAS, strides=[2, 2], pads=[1, 1, 1, 1]),
    node_case("ConvTranspose", T2, V2, strides=[2, 3], output_padding=[1, 2]),
    node_case("ConvTranspose", T2, V2, strides=[3, 2], pads=[2, 0, 1, 3], dilations=[2, 3]),
    node_case("ConvTranspose", T2, V2, dilations=[2, 2], pads=[1, 0, 2, 1]),
    node_case("ConvTranspose", T2, V2, strides=[5, 1]),
    node_case("ConvTranspose", T2, V2, strides=[2, 2], auto_pad="SAME_UPPER"),
    node_case("ConvTranspose", T2, V2, strides=[2, 2], auto_pad="SAME_LOWER"),
    node_case("ConvTranspose", T2, V2, strides=[3, 2], output_shape=[11, 10]),
    node_case("ConvTranspose", T2, V2, strides=[2, 2], output_shape=[10, 13]),
    node_case("ConvTranspose", T2, Const(seeded(6, 2, 3, 3)), group=3, strides=[2, 2]),
    node_case("ConvTranspose", T2, seeded(6, 2, 3, 3), group=3, name="ConvTranspose of inputs"),
    node_case("ConvTranspose", T3, V3, strides=[2, 1, 2], pads=[0, 1, 1, 1, 0, 0]),
    node_case("ConvTranspose", T2, V2, pads=[2, 3, 2, 3], strides=[1, 1]),
]

CASES: list[Case] = [*CONV, *TRANSPOSED]
