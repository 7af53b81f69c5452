"""When two runs of a model say the same: in numbers, in direction, and in what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.models.detections import Detection, assert_same

Array = npt.NDArray[Any]
Outputs = Mapping[str, Array]
Agree = Callable[[Outputs, Outputs], None]
"""Takes what was got and what is wanted; AssertionError if they differ."""

MAX_ERROR = 1e-4
"""Of the range of an output, where nothing is rounded on purpose."""
MIN_COSINE = 0.999
SAME_SHARE = 0.99
"""Of the places of a map that must get the same label."""
MAX_ARENA = 1.5
"""Of the bytes that live at once at the worst moment."""


def error(got: Array, want: Array) -> float:
    """The largest difference, as a part of the range of what is wanted."""
    exact = want.astype(np.float64)
    return float(np.abs(got - exact).max() / np.ptp(exact))


def cosine(got: Array, want: Array) -> float:
    """Of the angle between two tensors."""
    one, other = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def assert_equal(got: Outputs, want: Outputs) -> None:
    """Every output is within 1e-4 of its range."""
    _assert_same_form(got, want)
    errors = {name: error(got[name], want[name]) for name in want}
    assert max(errors.values()) <= MAX_ERROR, errors


def assert_aligned(got: Outputs, want: Outputs) -> None:
    """Every output has a cosine of at least 0.999."""
    _assert_same_form(got, want)
    cosines = {name: cosine(got[name], want[name]) for name in want}
    assert min(cosines.values()) >= MIN_COSINE, cosines


def assert_identical(got: Outputs, want: Outputs) -> None:
    """Every output has the same bits."""
    _assert_same_form(got, want)
    different = [name for name in want if got[name].tobytes() != want[name].tobytes()]
    assert not different


def _assert_same_form(got: Outputs, want: Outputs) -> None:
    forms = [{name: (a.dtype, a.shape) for name, a in run.items()} for run in (got, want)]
    assert forms[0] == forms[1]


def direction(got: Outputs, want: Outputs) -> None:
    """Nothing beyond the cosine: features, signals and pictures are used as they are."""


def top1(got: Outputs, want: Outputs) -> None:
    """The best class of each item of the batch; one output, [batch, classes, ...]."""
    (ours,), (theirs,) = got.values(), want.values()
    classes = [array.reshape(len(array), -1).argmax(1).tolist() for array in (ours, theirs)]
    assert classes[0] == classes[1]


def labels(got: Outputs, want: Outputs) -> None:
    """The best class of each place; one output, the classes on its last axis."""
    (ours,), (theirs,) = got.values(), want.values()
    best = theirs.argmax(-1)
    assert np.ptp(best) > 0, "one label everywhere: the input tests nothing"
    assert np.mean(ours.argmax(-1) == best) >= SAME_SHARE


def mask(name: str) -> Agree:
    """Which places of an output are positive."""

    def agree(got: Outputs, want: Outputs) -> None:
        ours, theirs = got[name] > 0, want[name] > 0
        assert 0 < theirs.sum() < theirs.size, "all of it lies on one side: the input tests nothing"
        assert np.mean(ours == theirs) >= SAME_SHARE

    return agree


def detections(decode: Callable[[Outputs], Sequence[Detection]]) -> Agree:
    """What a detector finds."""
    return lambda got, want: assert_same(decode(got), decode(want))
