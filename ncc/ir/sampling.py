"""Where the elements of a resized axis come from: which elements of the operand, weighted how.

Coordinates are computed in float32, so that ties round as they do in other runtimes. The modes are
those of ONNX Resize: https://onnx.ai/onnx/operators/onnx__Resize.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Interpolation(Enum):
    """How an element between two of the operand is made."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"


class Coordinates(Enum):
    """Which place of the operand an element of the result stands for."""

    HALF_PIXEL = "half_pixel"
    HALF_PIXEL_SYMMETRIC = "half_pixel_symmetric"
    PYTORCH_HALF_PIXEL = "pytorch_half_pixel"
    ALIGN_CORNERS = "align_corners"
    ASYMMETRIC = "asymmetric"
    CROP = "tf_crop_and_resize"


class Rounding(Enum):
    """Which neighbour is nearest."""

    PREFER_FLOOR = "round_prefer_floor"
    PREFER_CEIL = "round_prefer_ceil"
    FLOOR = "floor"
    CEIL = "ceil"


@dataclass(frozen=True)
class Filter:
    """How a place is turned into elements and weights.

    `cubic` is the coefficient a of the cubic kernel (Keys, 1981). `exclude_outside` drops
    neighbours beyond the ends instead of repeating the last element; `antialias` widens the kernel
    when the axis shrinks.
    """

    mode: Interpolation
    rounding: Rounding = Rounding.PREFER_FLOOR
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


@dataclass(frozen=True)
class Samples:
    """For each element of an axis: indices and weights [taps, size], and whether it is outside.

    Without weights there is one tap, taken as it is.
    """

    indices: Array
    weights: Array | None
    outside: Array


def places(
    mode: Coordinates, before: int, after: int, scale: float, crop: tuple[float, float]
) -> Array:
    """The place, in an axis of `before` elements, of each of `after` elements; float32."""
    x, ratio, half = np.arange(after, dtype=np.float32), np.float32(scale), np.float32(0.5)
    last = np.float32(before - 1)
    if mode is Coordinates.ASYMMETRIC:
        return x / ratio
    if mode is Coordinates.ALIGN_CORNERS:
        return x * last / np.float32(max(after - 1, 1))
    if mode is Coordinates.CROP:
        start, end = map(np.float32, crop)
        if after == 1:
            return np.full(1, half * (start + end) * last)
        return start * last + x * (end - start) * last / np.float32(after - 1)
    if mode is Coordinates.PYTORCH_HALF_PIXEL and after == 1:
        return np.zeros(1, np.float32)
    centred: Array = (x + half) / ratio - half
    if mode is Coordinates.HALF_PIXEL_SYMMETRIC:
        adjustment = np.float32(after) / (ratio * np.float32(before))
        centred += np.float32(before) / 2 * (1 - adjustment)
    return centred


def samples(filter: Filter, at: Array, before: int, scale: float) -> Samples:
    """What the elements at places `at` of an axis of `before` elements are made of."""
    outside = (at < 0) | (at > before - 1)
    if filter.mode is Interpolation.NEAREST:
        nearest = _rounded(at, filter.rounding).astype(np.int64)
        return Samples(np.clip(nearest, 0, before - 1)[None], None, outside)
    if filter.mode is Interpolation.LINEAR and not filter.antialias:
        at = np.clip(at, 0, before - 1)
    shrink = min(1.0, scale) if filter.antialias else 1.0
    support = (1 if filter.mode is Interpolation.LINEAR else 2) / shrink
    first = np.floor(at - np.float32(support)).astype(np.int64) + 1
    indices = first + np.arange(int(np.ceil(2 * support)))[:, None]
    weights = _kernel(filter, (indices - at) * np.float32(shrink))
    if filter.exclude_outside:
        weights = np.where((indices >= 0) & (indices < before), weights, 0)
    if filter.exclude_outside or filter.antialias:
        weights = weights / weights.sum(0)
    return Samples(np.clip(indices, 0, before - 1), weights.astype(np.float32), outside)


def _rounded(at: Array, rounding: Rounding) -> Array:
    if rounding is Rounding.FLOOR:
        return np.floor(at)
    if rounding is Rounding.CEIL:
        return np.ceil(at)
    half = np.float32(0.5)
    return np.ceil(at - half) if rounding is Rounding.PREFER_FLOOR else np.floor(at + half)


def _kernel(filter: Filter, distance: Array) -> Array:
    """The weight of an element at a distance."""
    d = np.abs(distance)
    if filter.mode is Interpolation.LINEAR:
        return np.asarray(np.maximum(1 - d, 0))
    a = filter.cubic
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))
