"""Trees and machines of which onnxruntime has another answer, or none that makes sense."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.diagnostics import NccError
from tests.frontends.build import run
from tests.suite.case import Array, Case, run_reference
from tests.suite.cases_ml import X, classifier, leaves, numbered, regressor, svc, trees


def outputs(case: Case) -> list[Array]:
    return run(case.model, *case.inputs.values())


@pytest.mark.parametrize("transform", [3, 4])
def test_transforms_of_f64_are_those_of_f32(transform: int) -> None:
    case = numbered(X.astype(np.float64), 0, post_transform=transform)
    (got,) = outputs(case)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, run_reference(case)[0], rtol=1e-5, atol=1e-6)


def test_two_base_values_are_one_for_each_of_two_classes() -> None:
    given = {**trees(), **leaves("class", [0] * 6)}
    plain = regressor(X, n_targets=1, **trees(), **leaves("target", [0] * 6))
    labels, scores = outputs(
        classifier(X, classlabels_int64s=[3, 5], base_values=[0.25, 1.25], **given)
    )
    total = outputs(plain)[0][:, 0]
    np.testing.assert_allclose(scores[:, 0], total + np.float32(0.25), rtol=1e-6)
    np.testing.assert_array_equal(scores[:, 1], np.float32(1.25))
    np.testing.assert_array_equal(labels, np.where(total > 1, 3, 5))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            regressor(X, n_targets=2, **trees(), **leaves("target", [0, 1, 2, 0, 1, 0])),
            "target_ids are not below 2",
        ),
        (
            regressor(
                X, n_targets=1, base_values=[1.0, 2.0], **trees(), **leaves("target", [0] * 6)
            ),
            "2 base values for 1 columns",
        ),
        (
            regressor(X, aggregate_function="MEDIAN", **trees(), **leaves("target", [0] * 6)),
            "'MEDIAN' is none of: AVERAGE, SUM, MIN, MAX",
        ),
        (
            classifier(
                X,
                classlabels_int64s=[3, 5],
                post_transform="PROBIT",
                **trees(),
                **leaves("class", [0] * 6),
            ),
            "PROBIT of two classes that have one score",
        ),
        (
            svc("LINEAR", 11, classlabels_ints=[4, 6, 1], rho=[0.1], support_vectors=[0.0]),
            "11 weights for 3 labels",
        ),
    ],
    ids=["ids", "base", "aggregate", "probit", "linear"],
)
def test_refused(case: Case, message: str) -> None:
    with pytest.raises(NccError, match=message):
        outputs(case)
