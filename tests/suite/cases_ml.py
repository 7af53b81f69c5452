"""Ops of ai.onnx.ml: linear models, trees, and what surrounds them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.suite.case import Array, Case, f32, node_case, seeded

ml = partial(node_case, domain="ai.onnx.ml", opset=3)

X = seeded(7, 4)
HOLES = np.where(X > 0.5, np.float32(np.nan), X).astype(np.float32)
SHARES = np.abs(np.sin(seeded(7, 4, seed=2))) + np.float32(0.1)
ZEROS = np.concatenate([X, np.zeros_like(X[:1])])
NUMBERS = np.array([[3, 1, -2], [7, 0, 5]])
ROWS = [float(value) for value in seeded(12, seed=1)]

LINEAR = [
    ml("Scaler", X, offset=[0.1, 0.2, 0.3, 0.4], scale=[2.0, 0.5, 1.0, 3.0]),
    ml("Scaler", X.astype(np.float64), offset=[0.5], scale=[2.0]),
    ml("Scaler", X[0], offset=[0.5], scale=[2.0]),
    ml("Normalizer", np.concatenate([X, np.zeros_like(X[:1])]), norm="L2"),
    ml("Normalizer", X, norm="L1"),
    ml("Normalizer", X[0], norm="L2"),
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
        ml("LinearRegressor", SHARES, coefficients=[0.1] * 8, targets=2, post_transform=how)
        for how in ("PROBIT", "SOFTMAX_ZERO")
    ),
    ml("LinearRegressor", ZEROS, coefficients=ROWS, targets=3, post_transform="SOFTMAX_ZERO"),
    *(
        ml(
            "LinearClassifier",
            X,
            outputs=2,
            coefficients=ROWS[:4],
            intercepts=[0.1],
            classlabels_ints=[5, 7],
            post_transform=how,
        )
        for how in ("NONE", "LOGISTIC")
    ),
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

CATEGORIES = [
    ml("Binarizer", X, threshold=0.25),
    ml("FeatureVectorizer", X, inputdimensions=[4]),
    ml("FeatureVectorizer", X, X[:, :2], inputdimensions=[4, 2]),
    ml("FeatureVectorizer", NUMBERS, inputdimensions=[3]),
    ml("Imputer", NUMBERS, imputed_value_int64s=[4, 5, 6], replaced_value_int64=1),
    ml("OneHotEncoder", NUMBERS, cats_int64s=[3, 0, 5, -2]),
    ml("OneHotEncoder", np.round(X * 3), cats_int64s=[0, 1, -1]),
    ml("OneHotEncoder", np.array([1, 9, 2]), cats_int64s=[1, 2]),
    ml("OneHotEncoder", HOLES, cats_int64s=[1, 0]),
    ml("LabelEncoder", NUMBERS, keys_int64s=[3, 0, 5, 3], values_int64s=[1, 2, 3, 4]),
    ml("LabelEncoder", NUMBERS, keys_int64s=[900, 7], values_floats=[1.0, 2.0]),
    ml("LabelEncoder", np.round(X), keys_floats=[0.0, 1.0], values_int64s=[8, 9], default_int64=3),
    *(
        ml("LabelEncoder", HOLES, opset=opset, keys_floats=[math.nan], values_floats=[8.0])
        for opset in (2, 4)
    ),
    ml(
        "LabelEncoder",
        NUMBERS,
        opset=4,
        keys_tensor=numpy_helper.from_array(np.array([0, 1, 7])),
        values_tensor=numpy_helper.from_array(np.array([1.5, 2.5, 3.5], np.float32)),
        default_tensor=numpy_helper.from_array(np.array([-9], np.float32)),
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
    *(
        regressor(
            X,
            n_targets=3,
            aggregate_function=how,
            **trees(),
            **leaves("target", [0, 1, 1, 0, 1, 0]),
        )
        for how in ("MIN", "MAX")
    ),
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

SPLITS = f32([0.1, -0.3, 0.4])
LEAVES = f32([0.5, 0.25, 0.125, 0.0625, 0.75, 0.3])


def numbered(x: Array, mode: int, **more: Any) -> Case:
    """Two trees in the form of `TreeEnsemble`: one of two levels, and one of one."""
    kind = x.dtype
    return ml(
        "TreeEnsemble",
        x,
        opset=5,
        **{
            "tree_roots": [0, 2],
            "nodes_featureids": [0, 2, 3],
            "nodes_splits": numpy_helper.from_array(SPLITS.astype(kind)),
            "nodes_modes": numpy_helper.from_array(np.array([mode, 0, mode], np.uint8)),
            "nodes_truenodeids": [1, 1, 3],
            "nodes_trueleafs": [0, 1, 1],
            "nodes_falsenodeids": [0, 2, 4],
            "nodes_falseleafs": [1, 1, 1],
            "leaf_targetids": [0, 1, 0, 1, 0],
            "leaf_weights": numpy_helper.from_array(LEAVES[:5].astype(kind)),
            "n_targets": 2,
            **more,
        },
    )


def stumps(count: int) -> Case:
    """Trees of one test each in the form of `TreeEnsemble`."""
    places = range(count)
    return ml(
        "TreeEnsemble",
        X,
        opset=5,
        tree_roots=list(places),
        nodes_featureids=[place % 4 for place in places],
        nodes_splits=numpy_helper.from_array(seeded(count, seed=5)),
        nodes_modes=numpy_helper.from_array(np.zeros(count, np.uint8)),
        nodes_truenodeids=[2 * place for place in places],
        nodes_trueleafs=[1] * count,
        nodes_falsenodeids=[2 * place + 1 for place in places],
        nodes_falseleafs=[1] * count,
        leaf_targetids=[0] * (2 * count),
        leaf_weights=numpy_helper.from_array(seeded(2 * count, seed=6)),
        n_targets=1,
    )


DOUBLES = {
    "nodes_values_as_tensor": numpy_helper.from_array(np.array(NODES["nodes_values"])),
    "target_weights_as_tensor": numpy_helper.from_array(LEAVES.astype(np.float64)),
    "base_values_as_tensor": numpy_helper.from_array(np.array([0.25])),
}

VECTORS = {"support_vectors": [float(value) for value in seeded(28, seed=3)]}
WEIGHTS = [float(value) for value in seeded(21, seed=4)]


def machine(op_type: str, kernel: str, count: int, **more: Any) -> Case:
    """A support vector machine of 7 vectors, `count` weights, and a kernel with all parameters."""
    return ml(
        op_type,
        X,
        kernel_type=kernel,
        kernel_params=[0.25, 0.5, 3.0],
        coefficients=WEIGHTS[:count],
        **{**VECTORS, **more},
    )


svc = partial(machine, "SVMClassifier", outputs=2)
OF_TWO = {"classlabels_ints": [4, 6], "vectors_per_class": [3, 4], "rho": [0.1]}
OF_FOUR = {"classlabels_ints": [4, 6, 1, 9], "vectors_per_class": [2, 1, 3, 1]}

MACHINES = [
    *(
        machine("SVMRegressor", kernel, 7, n_supports=7, rho=[0.3])
        for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID")
    ),
    machine("SVMRegressor", "RBF", 7, n_supports=7, rho=[0.3], one_class=1),
    machine("SVMRegressor", "LINEAR", 4, rho=[0.3], support_vectors=[0.0]),
    *(svc(kernel, 7, **OF_TWO) for kernel in ("LINEAR", "RBF")),
    svc("RBF", 7, post_transform="LOGISTIC", **OF_TWO),
    svc("POLY", 21, rho=[0.1, -0.2, 0.3, 0.0, 0.2, -0.1], **OF_FOUR),
    svc("LINEAR", 12, classlabels_ints=[4, 6, 1], rho=[0.1], support_vectors=[0.0]),
]

FORESTS = [
    *(numbered(X, mode) for mode in range(6)),
    numbered(X, 0, aggregate_function=0),
    stumps(300),
    numbered(X.astype(np.float64), 3, aggregate_function=1),
    *(numbered(X, 0, aggregate_function=how) for how in (2, 3)),
    numbered(HOLES, 1, nodes_missing_value_tracks_true=[1, 0, 1]),
    ml(
        "TreeEnsembleRegressor",
        X.astype(np.float64),
        n_targets=1,
        **{k: v for k, v in trees().items() if k != "nodes_values"},
        **{k: v for k, v in leaves("target", [0] * 6).items() if k != "target_weights"},
        **DOUBLES,
    ),
]

CASES: list[Case] = [*LINEAR, *CATEGORIES, *TREES, *FORESTS, *MACHINES]
