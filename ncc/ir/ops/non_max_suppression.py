"""non_max_suppression: the best boxes that do not overlap much."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ncc.ir.op import Array, Op, op, require
from ncc.ir.types import UNKNOWN, DType, TensorType


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
        require(
            boxes.rank == scores.rank == 3 and boxes.shape[2] in {4, UNKNOWN},
            f"non_max_suppression of boxes {boxes} with scores {scores}",
            hint="boxes are [batch, boxes, 4], scores [batch, classes, boxes]",
            operand=0,
            label="needs four numbers per box",
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
