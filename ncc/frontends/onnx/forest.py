"""Ensembles of decision trees as a graph: all trees take a step down at the same time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import numpy_helper

from ncc.frontends.onnx.context import Array, Context
from ncc.ir.graph import Value
from ncc.ir.indexing import counting
from ncc.ir.op import Op, require, unsupported
from ncc.ir.ops.arithmetic import Add, Mul
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.compare import Equal, Greater, GreaterEqual, Less, LessEqual
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.isnan import Isnan
from ncc.ir.ops.logic import And, Not, Or
from ncc.ir.ops.reduce import ReduceMax, ReduceMin, ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.where import Where
from ncc.ir.types import DType

LEAF = "LEAF"
TESTS: dict[str, tuple[Op, ...]] = {
    "BRANCH_LEQ": (LessEqual(),),
    "BRANCH_LT": (Less(),),
    "BRANCH_GTE": (GreaterEqual(),),
    "BRANCH_GT": (Greater(),),
    "BRANCH_EQ": (Equal(),),
    "BRANCH_NEQ": (Equal(), Not()),
}
"""The ops that compare a feature with the value of a node."""

EXTREMES: dict[str, tuple[Op, float]] = {
    "MIN": (ReduceMin((1,), False), math.inf),
    "MAX": (ReduceMax((1,), False), -math.inf),
}
"""How one weight is chosen, and what is chosen last."""


@dataclass(frozen=True)
class Forest:
    """The nodes of all trees, numbered; each array holds something for every node.

    A leaf leads to itself; `weights` [nodes, columns] is what leaves give, and `gives` where they
    do; `missing` says where NaN takes the first way; `roots` are the first nodes of the trees.
    """

    roots: Array
    features: Array
    values: Array
    modes: Sequence[str]
    yes: Array
    no: Array
    missing: Array
    weights: Array
    gives: Array

    def total(self, ctx: Context, x: Value, how: str) -> Value:
        """What the leaves that rows x [rows, features] reach give together [rows, columns]."""
        self._check(x.tensor.dims[1])
        if how in EXTREMES:
            return self._extreme(ctx, x, *EXTREMES[how])
        total = self._together(ctx, x, self.weights, ReduceSum((1,), False))
        if how == "SUM":
            return total
        return ctx.build(Mul(), total, ctx.const(1 / len(self.roots), x.tensor.dtype))

    def _extreme(self, ctx: Context, x: Value, op: Op, beyond: float) -> Value:
        """The last of what is given on the way from `beyond`; 0 where no leaf gives anything."""
        found = self._together(ctx, x, np.where(self.gives, self.weights, beyond), op)
        nothing, none = (ctx.const(number, x.tensor.dtype) for number in (beyond, 0))
        return ctx.build(Where(), ctx.build(Equal(), found, nothing), none, found)

    def _together(self, ctx: Context, x: Value, weights: Array, op: Op) -> Value:
        """`weights` of the leaves of each row, made one by the reduction `op`."""
        table = _table(ctx, weights.astype(x.tensor.dtype.numpy), "weights")
        return ctx.build(op, ctx.build(Gather(0), table, self._leaves(ctx, x)))

    def _check(self, features: int) -> None:
        """Refuse numbers of nodes or features that there are not."""
        count = len(self.modes)
        whole = (self.features, self.values, self.yes, self.no, self.missing)
        require(all(len(array) == count for array in whole), f"lists that are not of {count} nodes")
        for array, size, what in (
            (self.roots, count, "node"),
            (self.features, features, "feature"),
        ):
            known = bool(((array >= 0) & (array < size)).all())
            require(known and len(array) > 0, f"trees name a {what} that is none of {size}")

    def _leaves(self, ctx: Context, x: Value) -> Value:
        """The leaf of each tree for each row [rows, trees]."""
        build = ctx.build
        rows, features = x.tensor.dims
        flat = build(Reshape((rows * features,)), x)
        step = ctx.const(features, DType.i64)
        row = build(Mul(), counting(build, 2, 0, rows, DType.i64), step)
        own = _table(ctx, self.features, "features")
        bounds = _table(ctx, self.values.astype(x.tensor.dtype.numpy), "values")
        yes, no = _table(ctx, self.yes, "yes"), _table(ctx, self.no, "no")
        place = build(BroadcastTo((rows, len(self.roots))), ctx.const(self.roots))
        for _ in range(self._depth()):
            feature = build(Add(), build(Gather(0), own, place), row)
            number = build(Gather(0), flat, feature)
            holds = self._holds(ctx, number, build(Gather(0), bounds, place), place)
            place = build(Where(), holds, build(Gather(0), yes, place), build(Gather(0), no, place))
        return place

    def _depth(self) -> int:
        """How many steps lead to the last leaf."""
        depth, reached = 0, set(self.roots.tolist())
        while True:
            below = {int(child[place]) for place in reached for child in (self.yes, self.no)}
            if below == reached or depth > len(self.features):
                return depth
            depth, reached = depth + 1, below

    def _holds(self, ctx: Context, number: Value, bound: Value, place: Value) -> Value:
        """Whether the test of each node holds; nodes of several kinds are told apart by mode."""
        build = ctx.build
        kinds = [mode for mode in dict.fromkeys(self.modes) if mode != LEAF]
        if not set(kinds) <= TESTS.keys():
            raise unsupported(f"trees with nodes of kind {', '.join(kinds)}")
        held: Value | None = None
        for kind in kinds:
            first, *rest = TESTS[kind]
            found = build(first, number, bound)
            for op in rest:
                found = build(op, found)
            if len(kinds) > 1:
                flags = _table(ctx, np.array([mode == kind for mode in self.modes]), kind)
                found = build(And(), found, build(Gather(0), flags, place))
            held = found if held is None else build(Or(), held, found)
        assert held is not None, "trees without tests have no depth"
        if self.missing.any():
            flags = build(Gather(0), _table(ctx, self.missing, "missing"), place)
            held = build(Or(), held, build(And(), build(Isnan(), number), flags))
        return held


def _table(ctx: Context, array: Array, name: str) -> Value:
    """Numbers, one for each node."""
    return ctx.scope.tensor(numpy_helper.from_array(array), f"{ctx.node.output[0]}.{name}")
