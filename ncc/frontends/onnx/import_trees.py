"""Importers of ensembles of decision trees: all trees take a step down at the same time.

https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import numpy_helper

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Array, Context
from ncc.frontends.onnx.import_ml import ML, best_label, class_labels, real, transformed
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.indexing import counting
from ncc.ir.op import Op, unsupported
from ncc.ir.ops.arithmetic import Add, Mul, Neg, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.compare import Equal, Greater, GreaterEqual, Less, LessEqual
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import And, Not, Or
from ncc.ir.ops.reduce import ReduceMax, ReduceMin, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

LEAF = "LEAF"
_TESTS: dict[str, tuple[Op, ...]] = {
    "BRANCH_LEQ": (LessEqual(),),
    "BRANCH_LT": (Less(),),
    "BRANCH_GTE": (GreaterEqual(),),
    "BRANCH_GT": (Greater(),),
    "BRANCH_EQ": (Equal(),),
    "BRANCH_NEQ": (Equal(), Not()),
}
"""The ops that compare a feature with the value of a node."""


@importer("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(ctx: Context) -> Value:
    trees, how = _Trees(ctx), ctx.attr("aggregate_function", "SUM")
    leaves = trees.weights("target", ctx.attr("n_targets", 1))
    if how in {"SUM", "AVERAGE"}:
        total = ctx.build(ReduceSum((1,), False), leaves)
        scale = 1 / len(trees.roots) if how == "AVERAGE" else 1
        total = ctx.build(Mul(), total, ctx.const(scale, DType.f32))
    else:
        total = ctx.build((ReduceMin if how == "MIN" else ReduceMax)((1,), False), leaves)
    return transformed(ctx, _with_base(ctx, total))


@importer("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(ctx: Context) -> tuple[Value, ...]:
    """Labels and scores. Of two classes, when only the first is named, all is for the second."""
    trees, labels = _Trees(ctx), class_labels(ctx)
    if len(labels) == 2 and set(ctx.need_attr("class_ids")) == {0}:
        return _of_two(ctx, trees.weights("class", 1))
    total = _with_base(ctx, ctx.build(ReduceSum((1,), False), trees.weights("class", len(labels))))
    return best_label(ctx, total), transformed(ctx, total)


def _of_two(ctx: Context, leaves: Value) -> tuple[Value, ...]:
    """The label and scores where a sum is for the second class: as a share, or against its
    opposite when it may be negative; onnxruntime knows no softmax of these.
    """
    total = _with_base(ctx, ctx.build(ReduceSum((1,), False), leaves))
    shares = min(ctx.need_attr("class_weights")) >= 0
    rest = ctx.build(Sub(), ctx.const(int(shares), DType.f32), total)
    pair = ctx.build(Concat(1), rest, total)
    label = best_label(ctx, pair)
    if ctx.attr("post_transform", "NONE") != "LOGISTIC":
        return label, pair
    return label, transformed(ctx, ctx.build(Concat(1), ctx.build(Neg(), total), total))


def _with_base(ctx: Context, total: Value) -> Value:
    base = ctx.attr("base_values")
    return ctx.build(Add(), total, ctx.const(base, DType.f32)) if base else total


@dataclass(frozen=True)
class _Trees:
    """The nodes of all trees, numbered in the order in which the model lists them."""

    ctx: Context

    @cached_property
    def places(self) -> dict[tuple[int, int], int]:
        """The number of each node, by its tree and its number in that tree."""
        pairs = zip(self._ints("nodes_treeids"), self._ints("nodes_nodeids"), strict=True)
        return {pair: index for index, pair in enumerate(pairs)}

    @cached_property
    def roots(self) -> Array:
        """The first node of each tree."""
        first: dict[int, int] = {}
        for (tree, _), place in self.places.items():
            first.setdefault(tree, place)
        return np.array(list(first.values()))

    @cached_property
    def children(self) -> tuple[Array, Array]:
        """Where each node leads when its test holds, and when not; a leaf leads to itself."""
        modes = self.ctx.need_attr("nodes_modes")
        found = []
        for name in ("nodes_truenodeids", "nodes_falsenodeids"):
            rows = zip(self.places, modes, self._ints(name), strict=True)
            pairs = [(tree, own if mode == LEAF else to) for (tree, own), mode, to in rows]
            if not set(pairs) <= self.places.keys():
                raise NccError("invalid-model", f"{name} names a node that there is not")
            found.append(np.array([self.places[pair] for pair in pairs]))
        return found[0], found[1]

    def weights(self, what: str, columns: int) -> Value:
        """What the leaf of each tree gives [rows, trees, columns]."""
        table = np.zeros((len(self.places), columns), np.float32)
        names = (f"{what}_treeids", f"{what}_nodeids", f"{what}_ids")
        rows = zip(*map(self._ints, names), self.ctx.need_attr(f"{what}_weights"), strict=True)
        for tree, node, column, weight in rows:
            table[self.places[tree, node], column % columns] += weight
        return self.ctx.build(Gather(0), self._table(table, what), self._leaves())

    def _ints(self, name: str) -> Sequence[int]:
        found: Sequence[int] = self.ctx.need_attr(name)
        return found

    def _depth(self) -> int:
        """How many steps lead to the last leaf."""
        depth, reached = 0, set(self.roots.tolist())
        while True:
            below = {int(child[place]) for place in reached for child in self.children}
            if below == reached or depth > len(self.places):
                return depth
            depth, reached = depth + 1, below

    def _leaves(self) -> Value:
        """The leaf of each tree for each row of the operand [rows, trees]."""
        ctx, build = self.ctx, self.ctx.build
        x = real(ctx)
        rows, features = x.tensor.dims
        flat = build(Reshape((rows * features,)), x)
        step = ctx.const(features, DType.i64)
        row = build(Mul(), counting(build, 2, 0, rows, DType.i64), step)
        own = self._table(np.array(self._ints("nodes_featureids")), "features")
        bounds = np.array(ctx.need_attr("nodes_values"), np.float32)
        value = self._table(bounds, "values")
        yes, no = (self._table(c, name) for c, name in zip(self.children, "yn", strict=True))
        start = ctx.const(self.roots)
        place = build(BroadcastTo((rows, len(self.roots))), start)
        for _ in range(self._depth()):
            feature = build(Add(), build(Gather(0), own, place), row)
            number = build(Gather(0), flat, feature)
            holds = self._holds(number, build(Gather(0), value, place), place)
            place = build(Where(), holds, build(Gather(0), yes, place), build(Gather(0), no, place))
        return place

    def _holds(self, number: Value, bound: Value, place: Value) -> Value:
        """Whether the test of each node holds; nodes of several kinds are told apart by mode."""
        ctx, build = self.ctx, self.ctx.build
        modes = list(self.ctx.need_attr("nodes_modes"))
        kinds = [mode for mode in dict.fromkeys(modes) if mode != LEAF]
        if not set(kinds) <= _TESTS.keys():
            raise unsupported(f"trees with nodes of kind {', '.join(kinds)}")
        held: Value | None = None
        for kind in kinds:
            first, *rest = _TESTS[kind]
            found = build(first, number, bound)
            for op in rest:
                found = build(op, found)
            if len(kinds) > 1:
                flags = self._table(np.array([mode == kind for mode in modes]), kind)
                found = build(And(), found, build(Gather(0), flags, place))
            held = found if held is None else build(Or(), held, found)
        assert held is not None, "trees without tests have no depth"
        tracks = ctx.attr("nodes_missing_value_tracks_true", ())
        if any(tracks):
            flags = build(Gather(0), self._table(np.array(tracks, bool), "missing"), place)
            held = build(Or(), held, build(And(), build(Isnan(), number), flags))
        return held

    def _table(self, array: Array, name: str) -> Value:
        """Numbers, one for each node."""
        label = f"{self.ctx.node.output[0]}.{name}"
        return self.ctx.scope.tensor(numpy_helper.from_array(array), label)
