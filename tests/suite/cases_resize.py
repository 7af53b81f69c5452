"""Resize and Upsample in every mode, enlarging and shrinking, at odd sizes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tests.suite.case import Case, Const, node_case, seeded

X = seeded(1, 2, 5, 7)
NONE = Const(np.zeros(0, np.float32))
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def scales(*factors: float) -> Const:
    return Const(np.array([1, 1, *factors], np.float32))


def sizes(*numbers: int) -> Const:
    return Const(np.array([1, 2, *numbers], np.int64))


def resized(*operands: Const, opset: int = 13, **attributes: Any) -> Case:
    return node_case("Resize", X, NONE, *operands, opset=opset, **attributes)


UP, DOWN = scales(2.6, 1.5), scales(0.6, 0.5)

NEAREST = [
    resized(factor, mode="nearest", coordinate_transformation_mode=mode, nearest_mode=rounding)
    for factor, mode, rounding in product((UP, DOWN), COORDINATES, ROUNDINGS)
]
SMOOTH = [
    resized(factor, mode=kind, coordinate_transformation_mode=mode)
    for factor, kind, mode in product((UP, DOWN), ("linear", "cubic"), COORDINATES)
]
SPECIAL = [
    resized(NONE, sizes(9, 3), mode="nearest"),
    resized(NONE, sizes(9, 3), mode="linear"),
    resized(NONE, sizes(1, 1), mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    resized(NONE, sizes(1, 4), mode="cubic", coordinate_transformation_mode="align_corners"),
    resized(UP, mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    resized(UP, mode="linear", coordinate_transformation_mode="half_pixel_symmetric", opset=19),
    resized(DOWN, mode="linear", antialias=1, opset=18),
    resized(DOWN, mode="cubic", antialias=1, opset=18),
    resized(UP, mode="linear", antialias=1, opset=18),
    node_case(
        "Resize",
        X,
        None,
        None,
        Const(np.array([8, 9], np.int64)),
        axes=[2, 3],
        keep_aspect_ratio_policy="not_larger",
        opset=18,
        mode="linear",
    ),
    node_case(
        "Resize",
        X,
        Const(np.array([0, 0, 0.2, -0.1, 1, 1, 0.7, 1.2], np.float32)),
        NONE,
        sizes(6, 8),
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=3.5,
        opset=13,
    ),
    node_case("Resize", X, Const(UP.array), mode="nearest", opset=10),
    node_case("Resize", X, Const(DOWN.array), mode="nearest", opset=10),
    node_case("Resize", X, Const(UP.array), mode="linear", opset=10),
    node_case("Upsample", X, scales=[1.0, 1.0, 2.0, 3.0], opset=7),
    node_case("Upsample", X, Const(UP.array), mode="linear", opset=9),
    node_case("Resize", X.astype(np.float16), None, UP, mode="nearest", opset=13),
]

CASES: list[Case] = [*NEAREST, *SMOOTH, *SPECIAL]
