"""From the outputs of each detector to boxes, at the threshold and overlap it is used with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.models.detections import Detection, strongest

Array = npt.NDArray[Any]
Outputs = Mapping[str, Array]

YOLO_FASTEST_ANCHORS = {
    "l120.c": ((115, 73), (119, 199), (242, 238)),
    "l129.c": ((12, 18), (37, 49), (52, 132)),
}
"""Width and height in pixels of the three anchors of each output."""


def yolox(outputs: Outputs) -> list[Detection]:
    """Rows of centre, log size, objectness and 80 classes, by cells of 8, 16 and 32 pixels."""
    rows = outputs["output"][0]
    corners, stride = _pyramid(416, 416)
    centre = (rows[:, :2] + corners) * stride
    size = np.exp(rows[:, 2:4]) * stride
    return strongest(_boxes(centre, size), rows[:, 4:5] * rows[:, 5:], above=0.3, iou=0.45)


def yolo_fastest(outputs: Outputs) -> list[Detection]:
    """Two maps of 3 anchors x (centre, log size, objectness, 80 classes), all before sigmoid."""
    parts = [_anchored(outputs[name][0], sizes) for name, sizes in YOLO_FASTEST_ANCHORS.items()]
    boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    return strongest(boxes, scores, above=0.3, iou=0.45)


def ultraface(outputs: Outputs) -> list[Detection]:
    """Corners as parts of the picture, and the probabilities of background and face."""
    return strongest(outputs["boxes"][0], outputs["scores"][0, :, 1:], above=0.7, iou=0.5)


def blazeface(outputs: Outputs) -> list[Detection]:
    """Logits, and centre and size in pixels from the centre of a cell: 2 boxes of 16, 6 of 8."""
    logits = np.concatenate([outputs["Identity:0"], outputs["Identity_1:0"]], 1)[0]
    rows = np.concatenate([outputs["Identity_2:0"], outputs["Identity_3:0"]], 1)[0]
    places = [np.repeat((_cells(n, n) + 0.5) / n, each, 0) for n, each in ((16, 2), (8, 6))]
    centre = np.concatenate(places) + rows[:, :2] / 256
    return strongest(_boxes(centre, rows[:, 2:4] / 256), sigmoid(logits), above=0.5, iou=0.3)


def yunet(outputs: Outputs, height: int, width: int) -> list[Detection]:
    """Class and objectness, centre and log size, by cells; the class is the picture's number."""
    corners, stride = _pyramid(height, width)
    classes, objects, boxes = (
        np.concatenate([outputs[f"{part}_{stride}"] for stride in (8, 16, 32)], 1)
        for part in ("cls", "obj", "bbox")
    )
    found: list[Detection] = []
    for number, (score, rows) in enumerate(zip(np.sqrt(classes * objects), boxes, strict=True)):
        centre = (rows[:, :2] + corners) * stride
        placed = _boxes(centre, np.exp(rows[:, 2:]) * stride)
        faces = strongest(placed, score, above=0.6, iou=0.3)
        found += [face._replace(kind=number) for face in faces]
    return found


def text_regions(outputs: Outputs) -> list[Detection]:
    """Connected places that are text, sure enough on average; the class is the page's number."""
    found: list[Detection] = []
    for number, (page,) in enumerate(outputs["sigmoid_0.tmp_0"]):
        labels = _connected(page > 0.3)
        for label in np.unique(labels[labels > 0]):
            down, across = np.nonzero(labels == label)
            score = float(page[down, across].mean())
            if score > 0.6:
                corner, opposite = (across.min(), down.min()), (across.max() + 1, down.max() + 1)
                found.append(Detection(number, score, (*corner, *opposite)))
    return found


def notes(outputs: Outputs) -> list[Detection]:
    """Pitches that sound for 11 frames or more; the class is the pitch, the box the time."""
    frames = outputs["StatefulPartitionedCall:1"][0]
    return [
        Detection(pitch, float(frames[first:last, pitch].mean()), (first, 0, last, 1))
        for pitch in range(frames.shape[1])
        for first, last in _runs(frames[:, pitch] > 0.3)
        if last - first >= 11
    ]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which for large negative `x` is 0."""
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _anchored(raw: Array, anchors: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Boxes and scores of [255, side, side]."""
    side = raw.shape[-1]
    rows = raw.reshape(3, 85, -1).transpose(0, 2, 1)
    centre = (sigmoid(rows[..., :2]) + _cells(side, side)) * (320 / side)
    size = np.exp(rows[..., 2:4]) * np.array(anchors)[:, None]
    scores = sigmoid(rows[..., 4:5]) * sigmoid(rows[..., 5:])
    return _boxes(centre, size).reshape(-1, 4), scores.reshape(-1, 80)


def _pyramid(height: int, width: int) -> tuple[Array, Array]:
    """Cells of 8, 16 and 32 pixels, one after another: upper left corners, and pixels per cell."""
    parts = [(_cells(height // stride, width // stride), stride) for stride in (8, 16, 32)]
    strides = [np.full((len(corners), 1), stride) for corners, stride in parts]
    return np.concatenate([corners for corners, _ in parts]), np.concatenate(strides)


def _cells(rows: int, columns: int) -> Array:
    """(x, y) of each cell of a grid, row by row."""
    down, across = np.mgrid[0:rows, 0:columns]
    return np.stack([across, down], -1).reshape(-1, 2)


def _boxes(centre: Array, size: Array) -> Array:
    """Left, top, right, bottom."""
    return np.concatenate([centre - size / 2, centre + size / 2], -1)


def _connected(mask: Array) -> Array:
    """A number for each place of a mask, the same for those joined by an edge; 0 outside."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        around = np.pad(labels, 1)
        sides = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
        spread = np.maximum.reduce([labels, *sides]) * mask
        if np.array_equal(spread, labels):
            return labels
        labels = spread


def _runs(row: Array) -> Iterator[tuple[int, int]]:
    """First and one past last of each run of true places."""
    edges = np.flatnonzero(np.diff(row, prepend=False, append=False))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
