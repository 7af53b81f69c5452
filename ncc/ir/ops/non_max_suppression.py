"""non_max_suppression: the best boxes that do not overlap much."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ncc.ir.fold import constant_array
from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.dynamic_slice import DynamicSlice
from ncc.ir.types import UNKNOWN, DType, TensorType

MOST_ROWS = 1 << 20
"""Up to which rows are made for all boxes that could be kept."""
BLOCK = 64
"""Boxes that are compared with all others at once."""


@op("non_max_suppression")
class NonMaxSuppression(Op):
    """Rows (batch, class, box) of the boxes kept, best first within a class: i64[?, 3].

    boxes: [batch, boxes, 4] as two corners (y, x, y, x), or as (x, y, width, height) around a
    centre; scores: [batch, classes, boxes]. Scalars: at most how many boxes per class, the
    overlap (intersection over union) above which the lesser box goes, the score a box must exceed.
    """

    host_only = True

    center_point_box: bool = False

    def infer(
        self,
        boxes: TensorType,
        scores: TensorType,
        most: TensorType,
        overlap: TensorType,
        score: TensorType,
    ) -> TensorType:
        message = f"non_max_suppression of boxes {boxes} with scores {scores}"
        hint = "boxes are [batch, boxes, 4], scores [batch, classes, boxes]"
        require(
            boxes.rank == scores.rank == 3 and boxes.shape[2] in {4, UNKNOWN},
            message,
            hint=hint,
            operand=0,
            label="needs four numbers per box",
        )
        pairs = ((boxes.shape[0], scores.shape[0]), (boxes.shape[1], scores.shape[2]))
        known = (pair for pair in pairs if all(isinstance(size, int) for size in pair))
        require(
            all(left == right for left, right in known),
            message,
            hint=hint,
            operand=1,
            label="needs a score per box",
        )
        return TensorType(DType.i64, (UNKNOWN, 3))

    def eval(self, boxes: Array, scores: Array, most: Array, overlap: Array, score: Array) -> Array:
        rows: list[tuple[int, int, int]] = []
        limit, worst = float(overlap.item()), score.item()
        for batch, of_classes in enumerate(scores):
            corners = self._corners(boxes[batch])
            for klass, mine in enumerate(of_classes):
                kept = _suppress(corners, _best_first(mine, worst), limit)
                best = itertools.islice(kept, max(int(most.item()), 0))
                rows += [(batch, klass, box) for box in best]
        return np.array(rows, np.int64).reshape(-1, 3)

    def _corners(self, boxes: Array) -> Array:
        """[boxes, 4] as (low, low, high, high)."""
        if self.center_point_box:
            centre, half = boxes[:, :2], boxes[:, 2:] / 2
            return np.concatenate([centre - half, centre + half], 1)
        a, b = boxes[:, :2], boxes[:, 2:]
        return np.concatenate([np.minimum(a, b), np.maximum(a, b)], 1)

    def decompose(
        self,
        build: Builder,
        boxes: Value,
        scores: Value,
        most: Value,
        overlap: Value,
        score: Value,
    ) -> Value | None:
        """All rows that there could be, where that is known, and of those the first."""
        known = constant_array(most)
        if known is None or not (boxes.tensor.is_static and scores.tensor.is_static):
            return None
        limit = min(int(known.item()), scores.tensor.dims[2])
        if limit <= 0 or math.prod(scores.tensor.dims[:2]) * limit > MOST_ROWS:
            return None
        kept = build.node(KeptBoxes(limit, self.center_point_box), boxes, scores, overlap, score)
        rows, count = kept.results
        zero, one = (constant(build, [number], DType.i64) for number in (0, 1))
        return build(DynamicSlice((0,)), rows, zero, count, one)


@op("kept_boxes")
class KeptBoxes(Op):
    """The rows of non_max_suppression with at most `most` boxes per class, then zeros, and how many
    there are: i64[batch * classes * most, 3] and i64[1].
    """

    most: int
    center_point_box: bool = False

    def infer(
        self, boxes: TensorType, scores: TensorType, overlap: TensorType, score: TensorType
    ) -> tuple[TensorType, TensorType]:
        whole = NonMaxSuppression(self.center_point_box)
        rows = whole.infer(boxes, scores, overlap, overlap, score)
        require(
            self.most > 0 and boxes.is_static and scores.is_static,
            f"at most {self.most} of boxes {boxes}",
            operand=0,
            label="needs a fixed size",
        )
        count = math.prod(scores.dims[:2]) * self.most
        return rows.with_shape((count, 3)), rows.with_shape((1,))

    def eval(
        self, boxes: Array, scores: Array, overlap: Array, score: Array
    ) -> tuple[Array, Array]:
        whole, most = NonMaxSuppression(self.center_point_box), np.array(self.most)
        kept = whole.eval(boxes, scores, most, overlap, score)
        rows = np.zeros((math.prod(scores.shape[:2]) * self.most, 3), np.int64)
        rows[: len(kept)] = kept
        return rows, np.array([len(kept)])


def _best_first(scores: Array, worst: float) -> Array:
    """The boxes with a score above `worst`, of equal ones the first first."""
    good = np.flatnonzero(scores > worst)
    return good[np.argsort(-scores[good], kind="stable")]


def _suppress(corners: Array, order: Array, limit: float) -> Iterator[int]:
    """Boxes in `order` without those that overlap an earlier one too much."""
    while order.size:
        block, rest = order[:BLOCK], order[BLOCK:]
        covers = _overlaps(corners[block, None], corners[order], limit)
        gone = np.zeros(len(order), bool)
        for place, box in enumerate(block.tolist()):
            if not gone[place]:
                yield box
                gone |= covers[place]
        order = rest[~gone[len(block) :]]


def _overlaps(a: Array, b: Array, limit: float) -> Array:
    """Whether intersection over union is above `limit`, of boxes as (low, low, high, high)."""
    with np.errstate(all="ignore"):
        shared = np.maximum(_common(a, b, 0), 0) * np.maximum(_common(a, b, 1), 0)
        union = _area(a) + _area(b) - shared
        return np.asarray((shared > 0) & (shared / union > limit))


def _common(a: Array, b: Array, axis: int) -> Array:
    """How far boxes reach over each other along an axis, below 0 where they do not."""
    low = np.maximum(a[..., axis], b[..., axis])
    return np.asarray(np.minimum(a[..., 2 + axis], b[..., 2 + axis]) - low)


def _area(boxes: Array) -> Array:
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))
