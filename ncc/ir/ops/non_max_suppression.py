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
        for batch, klass in np.ndindex(scores.shape[:2]):
            corners = self._corners(boxes[batch])
            mine = scores[batch, klass]
            order = np.argsort(-mine, kind="stable")
            order = order[mine[order] > score.item()]
            kept = _suppress(corners, order, float(overlap.item()))
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


def _suppress(corners: Array, order: Array, overlap: float) -> Iterator[int]:
    """Boxes in `order` without those that overlap an earlier one too much."""
    areas = np.prod(corners[:, 2:] - corners[:, :2], 1)
    while order.size:
        best, order = order[0], order[1:]
        yield int(best)
        low = np.maximum(corners[best, :2], corners[order, :2])
        high = np.minimum(corners[best, 2:], corners[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), 1)
        union = areas[best] + areas[order] - shared
        with np.errstate(all="ignore"):
            order = order[~((shared > 0) & (shared / union > overlap))]
