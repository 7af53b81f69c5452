"""Ops of ai.onnx.ml: linear models, trees, and what surrounds them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.suite.case import Case, node_case, seeded

ml = partial(node_case, domain="ai.onnx.ml", opset=3)

X = seeded(7, 4)
HOLES = np.where(X > 0.5, np.float32(np.nan), X).astype(np.float32)
ROWS = [float(value) for value in seeded(12, seed=1)]

LINEAR = [
    ml("Scaler", X, offset=[0.1, 0.2, 0.3, 0.4], scale=[2.0, 0.5, 1.0, 3.0]),
    ml("Scaler", X.astype(np.float64), offset=[0.5], scale=[2.0]),
    ml("Normalizer", np.concatenate([X, np.zeros_like(X[:1])]), norm="L2"),
    ml("Normalizer", X, norm="L1"),
    ml("Normalizer", np.abs(X), norm="MAX"),
    ml("Imputer", HOLES, imputed_value_floats=[1.0, 2.0, 3.0, 4.0], replaced_value_float=np.nan),
    ml("Imputer", np.round(X), imputed_value_floats=[9.0], replaced_value_float=1.0),
    ml("ArrayFeatureExtractor", X, np.array([2, 0, 2])),
    ml("ArrayFeatureExtractor", X[0], np.array([3, 1])),
    ml(
        "LabelEncoder",
        np.array([3, 1, 7, 3]),
        keys_int64s=[1, 3],
        values_floats=[0.5, 1.5],
        default_float=-2.0,
    ),
    ml("LinearRegressor", X, coefficients=ROWS, intercepts=[1.0, 2.0, 3.0], targets=3),
    *(
        ml(
            "LinearClassifier",
            X,
            outputs=2,
            coefficients=ROWS,
            intercepts=[0.1, 0.2, 0.3],
            classlabels_ints=[5, 7, 11],
            post_transform=how,
        )
        for how in ("NONE", "LOGISTIC", "SOFTMAX")
    ),
]

NODES: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1, 2],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2, 0],
    "nodes_featureids": [0, 2, 0, 0, 0, 3, 0, 0, 0],
    "nodes_values": [0.1, -0.3, 0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0],
    "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0, 0],
}
"""A tree of two levels, one of one, and one that is a leaf."""


def trees(first: str = "BRANCH_LEQ", second: str = "BRANCH_LEQ", **more: Any) -> dict[str, Any]:
    """The attributes of the trees with tests of two kinds."""
    modes = [first, second, *["LEAF"] * 3, first, *["LEAF"] * 3]
    return {**NODES, "nodes_modes": modes, **more}


def leaves(what: str, ids: list[int]) -> dict[str, Any]:
    """The attributes of what the leaves give."""
    return {
        f"{what}_treeids": [0, 0, 0, 1, 1, 2],
        f"{what}_nodeids": [2, 3, 4, 1, 2, 0],
        f"{what}_ids": ids,
        f"{what}_weights": [0.5, 0.25, 0.125, 0.0625, 0.75, 0.3],
    }


regressor = partial(ml, "TreeEnsembleRegressor")
classifier = partial(ml, "TreeEnsembleClassifier", outputs=2)

TREES = [
    regressor(X, n_targets=1, **trees(), **leaves("target", [0] * 6)),
    regressor(X, n_targets=2, **trees("BRANCH_GT"), **leaves("target", [0, 1, 0, 1, 0, 1])),
    regressor(X, n_targets=1, **trees("BRANCH_LT", "BRANCH_GTE"), **leaves("target", [0] * 6)),
    regressor(
        HOLES,
        n_targets=1,
        **trees(nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        **leaves("target", [0] * 6),
    ),
    regressor(
        X,
        n_targets=1,
        aggregate_function="AVERAGE",
        base_values=[2.0],
        **trees(),
        **leaves("target", [0] * 6),
    ),
    regressor(X, n_targets=1, aggregate_function="MAX", **trees(), **leaves("target", [0] * 6)),
    classifier(X, classlabels_int64s=[3, 5, 8], **trees(), **leaves("class", [0, 1, 2, 0, 1, 2])),
    classifier(
        X,
        classlabels_int64s=[3, 5, 8],
        post_transform="SOFTMAX",
        base_values=[0.1, 0.2, 0.3],
        **trees(),
        **leaves("class", [2, 1, 0, 0, 1, 2]),
    ),
    *(
        classifier(
            X,
            classlabels_int64s=[0, 1],
            post_transform=how,
            base_values=[base],
            **trees(),
            **leaves("class", [owner] * 6),
        )
        for how in ("NONE", "LOGISTIC")
        for owner, base in ((0, 0.0), (0, -0.7))
    ),
    classifier(X, classlabels_int64s=[0, 1], **trees(), **leaves("class", [1] * 6)),
]

CASES: list[Case] = [*LINEAR, *TREES]
