"""Importers of ensembles of decision trees.

https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html and those that it replaces
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ncc.diagnostics import NccError
from ncc.frontends.onnx.context import Array, Context
from ncc.frontends.onnx.forest import LEAF, TESTS, Forest
from ncc.frontends.onnx.import_ml import (
    ML,
    best_label,
    class_labels,
    opposed,
    real,
    transformed,
    two_scores,
)
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Value
from ncc.ir.op import require, unsupported
from ncc.ir.ops.arithmetic import Add
from ncc.ir.types import DType

_MODES = tuple(TESTS)
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
"""What the numbers that `TreeEnsemble` has for them mean."""

_LISTS = ("treeids", "nodeids", "featureids", "modes", "truenodeids", "falsenodeids")
"""What the older forms say of every node."""
_NUMBERED_LISTS = ("featureids", "truenodeids", "trueleafs", "falsenodeids", "falseleafs")
"""What `TreeEnsemble` says of every node with a test."""
_MOST = 1 << 28
"""Numbers that the leaves of a model hold together at most."""


@importer("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(ctx: Context) -> Value:
    how = ctx.attr("aggregate_function", "SUM")
    if how not in _AGGREGATES:
        raise NccError("invalid-model", f"'{how}' is none of: {', '.join(_AGGREGATES)}")
    total = _listed(ctx, "target", ctx.attr("n_targets", 1)).total(ctx, _rows(ctx), how)
    return transformed(ctx, _with_base(ctx, total))


@importer("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(ctx: Context) -> tuple[Value, ...]:
    """Labels and scores. Of two classes, when only the first is named and there are no numbers to
    add for both, all is for the second.
    """
    labels = class_labels(ctx)
    only_first = (
        set(ctx.need_attr("class_ids")) == {0} and _numbers(ctx, "base_values", ()).size < 2
    )
    of_two = len(labels) == 2 and only_first
    forest = _listed(ctx, "class", 1 if of_two else len(labels))
    total = _with_base(ctx, forest.total(ctx, _rows(ctx), "SUM"))
    if of_two:
        return _of_two(ctx, total)
    return best_label(ctx, total), transformed(ctx, total)


def _of_two(ctx: Context, total: Value) -> tuple[Value, ...]:
    """The label and scores where a sum is for the second class: as a share, or against its
    opposite when it may be negative; onnxruntime knows no softmax of these.
    """
    shares = bool((_numbers(ctx, "class_weights") >= 0).all())
    return best_label(ctx, opposed(ctx, total, shares)), two_scores(ctx, total, shares)


@importer("TreeEnsemble", domain=ML)
def tree_ensemble(ctx: Context) -> Value:
    how = _named(_AGGREGATES, ctx.attr("aggregate_function", 1))
    total = _numbered(ctx).total(ctx, _rows(ctx), how)
    made = transformed(ctx, total, _named(_TRANSFORMS, ctx.attr("post_transform", 0)))
    return ctx.cast(made, ctx.type(0).dtype)


def _named(names: Sequence[str], number: int) -> str:
    if not 0 <= number < len(names):
        raise NccError("invalid-model", f"{number} is none of the {len(names)}: {', '.join(names)}")
    return names[number]


def _rows(ctx: Context) -> Value:
    """Operand 0 as rows of f32, or of f64 as it is."""
    return real(ctx, ctx.type(0).dtype if ctx.type(0).dtype is DType.f64 else DType.f32)


def _with_base(ctx: Context, total: Value) -> Value:
    """The total plus what the model adds to it, in f32."""
    base, columns = _numbers(ctx, "base_values", ()), total.tensor.dims[1]
    require(base.size in {0, 1, columns}, f"{base.size} base values for {columns} columns")
    if base.size:
        total = ctx.build(Add(), total, ctx.const(base, total.tensor.dtype))
    return ctx.cast(total, DType.f32)


def _numbers(ctx: Context, name: str, default: Sequence[float] | None = None) -> Array:
    """A list of floats, which may be a tensor of f64 instead."""
    if ctx.has_attr(f"{name}_as_tensor"):
        return ctx.attr_array(f"{name}_as_tensor").ravel()
    return np.array(ctx.need_attr(name) if default is None else ctx.attr(name, default), np.float32)


def _listed(ctx: Context, what: str, columns: int) -> Forest:
    """The nodes as lists with an entry a node, and what leaves give `what` as such lists."""
    _alike(ctx, *(f"nodes_{name}" for name in _LISTS))
    pairs = zip(ctx.need_attr("nodes_treeids"), ctx.need_attr("nodes_nodeids"), strict=True)
    places = {pair: index for index, pair in enumerate(pairs)}
    first: dict[int, int] = {}
    for (tree, _), place in places.items():
        first.setdefault(tree, place)
    modes = ctx.need_attr("nodes_modes")
    require(len(places) == len(modes), "two nodes of a tree have the same number")
    tracks = ctx.attr("nodes_missing_value_tracks_true") or (0,) * len(modes)
    return Forest(
        np.array(list(first.values())),
        np.array(ctx.need_attr("nodes_featureids")),
        _numbers(ctx, "nodes_values"),
        modes,
        _children(ctx, "nodes_truenodeids", places, modes),
        _children(ctx, "nodes_falsenodeids", places, modes),
        np.array(tracks, bool),
        *_weights(ctx, what, columns, places),
    )


def _alike(ctx: Context, *names: str) -> None:
    """Refuse lists of different lengths."""
    counts = {name: len(ctx.need_attr(name)) for name in names}
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    require(len(set(counts.values())) == 1, f"lists that belong together differ: {found}")


def _children(
    ctx: Context, name: str, places: Mapping[tuple[int, int], int], modes: Sequence[str]
) -> Array:
    """Where each node leads; a leaf leads to itself."""
    rows = zip(places, modes, ctx.need_attr(name), strict=True)
    pairs = [(tree, own if mode == LEAF else to) for (tree, own), mode, to in rows]
    if not set(pairs) <= places.keys():
        raise NccError("invalid-model", f"{name} names a node that there is not")
    return np.array([places[pair] for pair in pairs])


def _weights(
    ctx: Context, what: str, columns: int, places: Mapping[tuple[int, int], int]
) -> tuple[Array, Array]:
    """What each leaf gives [nodes, columns], and where it gives something."""
    weights = _numbers(ctx, f"{what}_weights")
    names = (f"{what}_treeids", f"{what}_nodeids", f"{what}_ids")
    _alike(ctx, *names)
    trees, nodes, ids = map(ctx.need_attr, names)
    require(len(weights) == len(ids), f"{len(weights)} weights for {len(ids)} {what}_ids")
    require(set(zip(trees, nodes, strict=True)) <= places.keys(), f"{what}_nodeids names no node")
    require(0 < columns * len(places) <= _MOST, f"{columns} columns for {len(places)} nodes")
    require(all(0 <= column < columns for column in ids), f"{what}_ids are not below {columns}")
    table, gives = (
        np.zeros((len(places), columns), weights.dtype),
        np.zeros((len(places), columns), bool),
    )
    for tree, node, column, weight in zip(trees, nodes, ids, weights, strict=True):
        table[places[tree, node], column] += weight
        gives[places[tree, node], column] = True
    return table, gives


def _numbered(ctx: Context) -> Forest:
    """The nodes as `TreeEnsemble` has them: those with a test, then the leaves."""
    names = (
        *(f"{way}{what}" for way in ("true", "false") for what in ("nodeids", "leafs")),
        "featureids",
    )
    _alike(ctx, *(f"nodes_{name}" for name in names))
    features = np.array(ctx.need_attr("nodes_featureids"))
    splits, given = (ctx.attr_array(name) for name in ("nodes_splits", "leaf_weights"))
    inner, leaves = len(features), len(given)
    numbers = ctx.attr_array("nodes_modes").tolist()
    if len(_MODES) in numbers:
        raise unsupported("trees with nodes that test for members of a set")
    tracks = ctx.attr("nodes_missing_value_tracks_true") or (0,) * inner
    own = np.arange(inner, inner + leaves)
    targets, columns = np.array(ctx.need_attr("leaf_targetids"), np.int64), ctx.attr("n_targets", 1)
    known = targets.shape == given.shape and bool(((targets >= 0) & (targets < columns)).all())
    require(0 < columns * (inner + leaves) <= _MOST, f"{columns} targets of {leaves} leaves")
    require(known, f"leaf_targetids does not say which of {columns} targets each leaf is of")
    weights = np.zeros((inner + leaves, columns), given.dtype)
    gives = np.zeros(weights.shape, bool)
    weights[own, targets], gives[own, targets] = given, True
    return Forest(
        np.array(ctx.need_attr("tree_roots")),
        np.concatenate([features, np.zeros(leaves, features.dtype)]),
        np.concatenate([splits, np.zeros(leaves, splits.dtype)]),
        [*(_named(_MODES, number) for number in numbers), *[LEAF] * leaves],
        np.concatenate([_ways(ctx, "true", inner, leaves), own]),
        np.concatenate([_ways(ctx, "false", inner, leaves), own]),
        np.concatenate([np.array(tracks, bool), np.zeros(leaves, bool)]),
        weights,
        gives,
    )


def _ways(ctx: Context, which: str, inner: int, leaves: int) -> Array:
    """Where nodes with a test lead when it is `which`, leaves counted after those nodes."""
    to = np.array(ctx.need_attr(f"nodes_{which}nodeids"))
    is_leaf = np.array(ctx.need_attr(f"nodes_{which}leafs"), bool)
    known = (to >= 0) & (to < np.where(is_leaf, leaves, inner))
    require(bool(known.all()), f"nodes_{which}nodeids names a node that there is not")
    return np.where(is_leaf, to + inner, to)
