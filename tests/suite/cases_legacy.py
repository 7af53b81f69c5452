"""Experimental ops of old opsets."""

from __future__ import annotations

from tests.suite.case import Case, node_case, seeded

X = seeded(1, 3, 6, 7)

CASES: list[Case] = [
    node_case("Affine", X, alpha=2.0, beta=-1.5, opset=7),
    node_case("ImageScaler", X, scale=0.5, bias=[1.0, -2.0, 3.0], opset=7),
    node_case("Crop", X, border=[1, 2, 3, 1], opset=7),
    node_case("Crop", X, border=[1, 2, 0, 0], scale=[3, 4], opset=7),
    node_case("ParametricSoftplus", X, alpha=0.5, beta=2.0, opset=7),
    node_case("ScaledTanh", X, alpha=1.5, beta=0.5, opset=7),
]
