"""Pictures read at places that the data gives, and blocks put back in their places."""

from __future__ import annotations

from itertools import product

import numpy as np

from tests.suite.case import Case, Const, node_case, seeded

X = seeded(2, 3, 5, 7)
GRID = seeded(2, 4, 3, 2, seed=1)

GRID_SAMPLE = [
    node_case(
        "GridSample",
        X,
        GRID,
        mode=mode,
        padding_mode=padding,
        align_corners=aligned,
        opset=16,
    )
    for mode, padding, aligned in product(
        ("nearest", "bilinear", "bicubic"), ("zeros", "border", "reflection"), (0, 1)
    )
]

DEFORM = [
    node_case("DeformConv", X, Const(seeded(4, 3, 2, 3)), seeded(2, 12, 4, 5), opset=19),
    node_case(
        "DeformConv",
        seeded(1, 4, 6, 6),
        Const(seeded(4, 2, 3, 3)),
        seeded(1, 36, 3, 3),
        Const(seeded(4, seed=2)),
        seeded(1, 18, 3, 3, seed=3),
        group=2,
        offset_group=2,
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        opset=19,
    ),
]

REGIONS = np.array([[0, 0, 4, 3], [1.5, 0.5, 6.2, 4.9], [-2, 1, 9, 4], [3, 3, 3, 3]], np.float32)

ROI_ALIGN = [
    node_case(
        "RoiAlign",
        X,
        REGIONS,
        np.array([0, 1, 1, 0]),
        output_height=3,
        output_width=2,
        sampling_ratio=samples,
        spatial_scale=0.8,
        mode=mode,
        opset=opset,
    )
    for (mode, samples), opset in product((("avg", 0), ("avg", 2), ("max", 1)), (10, 16))
]

MAX_ROI_POOL = [
    node_case(
        "MaxRoiPool",
        X,
        np.array([[0, 0, 0, 6, 4], [1, 1, 2, 3, 9], [0, 5, 3, 2, 1]], np.float32),
        pooled_shape=[2, 3],
        spatial_scale=scale,
    )
    for scale in (1.0, 0.7)
]

UNPOOL = [
    node_case(
        "MaxUnpool",
        seeded(1, 2, 2, 2),
        np.array([[[[5, 7], [13, 15]], [[16, 18], [24, 31]]]]),
        kernel_shape=[2, 2],
        strides=[2, 2],
    ),
    node_case(
        "Col2Im",
        seeded(2, 12, 12),
        Const(np.array([5, 5])),
        Const(np.array([2, 3])),
        opset=18,
    ),
    node_case(
        "Col2Im",
        seeded(1, 12, 9),
        Const(np.array([5, 6])),
        Const(np.array([2, 2])),
        strides=[2, 2],
        pads=[1, 0, 0, 0],
        opset=18,
    ),
]

CASES: list[Case] = [
    *GRID_SAMPLE,
    *DEFORM,
    *ROI_ALIGN,
    *MAX_ROI_POOL,
    *UNPOOL,
    node_case("Det", seeded(3, 4, 4)),
]
