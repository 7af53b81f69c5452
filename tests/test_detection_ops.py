"""What detectors do on the host with as many boxes as the data says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ncc.ir.ops.non_max_suppression import BLOCK, NonMaxSuppression
from ncc.ir.ops.roi_align import AdaptiveRoiAlign, Pooling, RoiAlign
from ncc.ir.ops.scatter import ScatterElements

Array = npt.NDArray[Any]


def kept_one_by_one(boxes: Array, scores: Array, limit: float) -> list[int]:
    """The boxes that overlap none of those kept before by more than `limit`."""
    kept: list[int] = []
    for box in np.argsort(-scores, kind="stable"):
        if not any(overlap(boxes[box], boxes[other]) > limit for other in kept):
            kept.append(int(box))
    return kept


def overlap(a: Array, b: Array) -> float:
    """Intersection over union."""
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    shared = sides.prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_boxes_are_kept_as_one_by_one(count: int) -> None:
    draw = np.random.default_rng(count)
    low = draw.random((count, 2))
    boxes = np.concatenate([low, low + 0.05 + 0.4 * draw.random((count, 2))], 1)
    scores = np.round(draw.random(count), 1)
    scalars = [np.array([count]), np.array([0.3]), np.array([-1.0])]
    found = NonMaxSuppression().eval(boxes[None], scores[None, None], *scalars)
    assert found[:, 2].tolist() == kept_one_by_one(boxes, scores, 0.3)


@pytest.mark.parametrize("pooling", Pooling)
def test_regions_do_not_see_what_others_do(pooling: Pooling) -> None:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2, 3, 9, 11)).astype(np.float32)
    endless = [[np.nan, 0, 3, 3], [0, 0, np.inf, 3], [0, 0, 1e30, 3]]
    regions = np.array([[1, 1, 5, 6], *endless, [2, 1, 9, 8]])
    regions, batch = regions.astype(np.float32), np.array([0, 1, 0, 1, 1])
    op = AdaptiveRoiAlign((2, 3), 0, 0.9, half_pixel=True, pooling=pooling)
    together = op.eval(x, regions, batch)
    for region, picture, found in zip(regions, batch, together, strict=True):
        np.testing.assert_array_equal(op.eval(x, region[None], picture[None])[0], found)
    assert np.all(together[1:4] == 0)


def test_a_region_that_is_no_number_gives_none() -> None:
    x, batch = np.ones((1, 2, 5, 5), np.float32), np.array([0, 0])
    regions = np.array([[np.nan, 0, 3, 3], [0, 0, 4, 4]], np.float32)
    found = RoiAlign((2, 2), 2, 1.0, half_pixel=False, pooling=Pooling.AVERAGE).eval(
        x, regions, batch
    )
    assert np.all(np.isnan(found[0]))
    np.testing.assert_allclose(found[1], 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(3, 4, 2), (2, 3, 2), (1, 1, 1), (2, 0, 2)])
def test_lines_that_go_to_the_same_places_are_put_there(
    axis: int, sizes: tuple[int, int, int]
) -> None:
    draw = np.random.default_rng(0)
    x, updates = draw.random((4, 5, 3)), draw.random(sizes)
    along = np.arange(sizes[axis]) % 2 + 1
    indices = np.empty(sizes, np.int64)
    indices[:] = np.moveaxis(along.reshape(-1, 1, 1), 0, axis)
    expected = x.copy()
    for place in np.ndindex(sizes):
        into = list(place)
        into[axis] = indices[place]
        expected[tuple(into)] = updates[place]
    np.testing.assert_array_equal(ScatterElements(axis).eval(x, indices, updates), expected)
