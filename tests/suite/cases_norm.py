"""Softmax and normalisations at odd shapes."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, Const, node_case, seeded

X, LARGE = seeded(2, 6, 5, 7), seeded(3, 11) * 200
SCALE, BIAS = Const(seeded(6, seed=1)), Const(seeded(6, seed=2))
MEAN, VARIANCE = Const(seeded(6, seed=3)), Const(np.abs(seeded(6, seed=4)) + np.float32(0.1))
MASKED = np.where(seeded(4, 9) > 0, seeded(4, 9, seed=5), np.float32(-np.inf))

SOFTMAX = [
    node_case("Softmax", X),
    node_case("Softmax", X, axis=1),
    node_case("Softmax", LARGE),
    node_case("Softmax", MASKED.astype(np.float32), name="Softmax of masked scores"),
    node_case("Softmax", X, axis=2, opset=11),
    node_case("Softmax", X[:, :, :1, :1], opset=9),
    node_case("Softmax", X.astype(np.float64), axis=-2),
    node_case("Softmax", X.astype(np.float16)),
    node_case("LogSoftmax", X, axis=1),
    node_case("LogSoftmax", LARGE, opset=7),
    node_case("Hardmax", X, axis=2),
    node_case("Hardmax", np.array([[1, 3, 3], [2, 0, 2]], np.float32)),
    node_case("Hardmax", X, axis=1, opset=11),
]

NORM = [
    node_case("BatchNormalization", X, SCALE, BIAS, MEAN, VARIANCE),
    node_case("BatchNormalization", X, SCALE, BIAS, MEAN, VARIANCE, epsilon=0.5, opset=7),
    node_case("BatchNormalization", X[:, :, 0, 0], SCALE, BIAS, MEAN, VARIANCE, opset=9),
    node_case("InstanceNormalization", X, SCALE, BIAS),
    node_case("InstanceNormalization", X[:, :, 0], SCALE, BIAS, epsilon=0.1),
    node_case("LayerNormalization", X, Const(seeded(7)), Const(seeded(7, seed=6))),
    node_case("LayerNormalization", X, Const(seeded(5, 7)), axis=2, epsilon=0.1),
    node_case("LayerNormalization", X, Const(seeded(7)), Const(seeded(7, seed=6)), outputs=3),
    node_case("LayerNormalization", X.astype(np.float16), Const(seeded(7).astype(np.float16))),
    node_case("LayerNormalization", 10 + X, Const(seeded(7)), name="LayerNormalization off 0"),
    node_case("GroupNormalization", X, SCALE, BIAS, num_groups=3, opset=21),
    node_case("RMSNormalization", X, Const(seeded(7)), opset=23),
    node_case("LRN", X, size=3),
    node_case("LRN", X, size=5, alpha=0.5, beta=0.6, bias=2.0),
    node_case("LpNormalization", X, axis=1),
    node_case("LpNormalization", X, axis=-1, p=1),
    node_case("MeanVarianceNormalization", X, axes=[0, 2, 3]),
]

CASES: list[Case] = [*SOFTMAX, *NORM]
