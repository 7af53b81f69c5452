"""Importers of control flow: decided when imported where that can be, else by the host."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from onnx import GraphProto

from ncc.diagnostics import NccError
from ncc.frontends.onnx.axes import axis_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.listed import Listed
from ncc.frontends.onnx.order import nested_nodes
from ncc.frontends.onnx.registry import importer, unsupported_ops
from ncc.ir.enclose import enclose, withdraw
from ncc.ir.fold import number
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.indexing import part
from ncc.ir.op import unsupported
from ncc.ir.ops.branch import Ensure, If, either
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.loop import Loop
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.scan import Scan
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where
from ncc.ir.prune import prune
from ncc.ir.types import DType, TensorType

MAX_UNROLLED = 1 << 14
"""Nodes of the model that a loop may be unrolled to."""

_ENDLESS = 2**63 - 1


@importer("If")
def branch(ctx: Context) -> tuple[Value, ...]:
    """The branch that a constant condition takes, and only that one is imported.

    Of two that the device can run, both are, and their results chosen from. Where one cannot be
    for the sizes at hand, the other is taken and the run fails if it should not have been.
    """
    condition = ctx.number(0)
    then, other = ctx.need_attr("then_branch"), ctx.need_attr("else_branch")
    if condition is not None:
        return ctx.scope.inline(then if condition else other)
    _require_known(ctx, then, other)
    flag = ctx.build(Reshape(()), ctx[0])
    start = len(ctx.build.nodes)
    yes, no = (_attempt(ctx, graph) for graph in (then, other))
    for results in (yes, no):
        _refuse_lists(ctx, () if isinstance(results, NccError) else results)
    if isinstance(yes, NccError) or isinstance(no, NccError):
        return _only(ctx, flag, yes, no)
    needed = prune(Graph("branches", (), ctx.build.nodes[start:], (*yes, *no))).nodes
    if _same_types(yes, no) and all(map(_may_always_run, needed)):
        pairs = zip(yes, no, strict=True)
        return tuple(a if a is b else ctx.build(Where(), flag, a, b) for a, b in pairs)
    bodies: list[tuple[Graph, tuple[Value, ...]]] = []
    withdraw(ctx.build, start)
    for graph in (then, other):
        begin = len(ctx.build.nodes)
        made = ctx.scope.inline(graph)
        bodies.append(enclose(ctx.build, begin, graph.name, [], made))
    (first, taken), (second, left) = bodies
    return ctx.build.node(If(first, second, len(taken)), flag, *taken, *left).results


def _require_known(ctx: Context, *graphs: GraphProto) -> None:
    """Refuse nested graphs with op types that cannot be imported."""
    missing = ctx.scope.unknown(chain.from_iterable(map(nested_nodes, graphs)))
    if missing:
        raise unsupported_ops(missing)


def _refuse_lists(ctx: Context, values: Sequence[Value]) -> None:
    """Refuse sequences where the data decides what runs."""
    if any(isinstance(value, Listed) for value in values):
        raise unsupported(f"{ctx.node.op_type} of sequences, decided at run time")


def _attempt(ctx: Context, graph: GraphProto) -> tuple[Value, ...] | NccError:
    """The results of a branch, or why it has none."""
    start = len(ctx.build.nodes)
    try:
        return ctx.scope.inline(graph)
    except NccError as error:
        withdraw(ctx.build, start)
        return error


def _only(
    ctx: Context,
    flag: Value,
    yes: tuple[Value, ...] | NccError,
    no: tuple[Value, ...] | NccError,
) -> tuple[Value, ...]:
    """The results of the branch that has some; each fails if the condition is for the other."""
    if isinstance(yes, NccError):
        if isinstance(no, NccError):
            raise yes
        results, failed, holds = no, yes, False
    else:
        assert isinstance(no, NccError)
        results, failed, holds = yes, no, True
    ensure = Ensure(holds, f"the other branch fails for these sizes: {failed.message}")
    return tuple(ctx.build(ensure, flag, value) for value in results)


def _same_types(yes: Sequence[Value], no: Sequence[Value]) -> bool:
    return [value.type for value in yes] == [value.type for value in no]


def _may_always_run(node: Node) -> bool:
    """Whether a node has no effect but its results, which it gives for all operands."""
    static = all(isinstance(v.type, TensorType) and v.type.is_static for v in node.results)
    return node.op.pure and not node.op.host_only and static


@importer("Loop")
def loop(ctx: Context) -> tuple[Value, ...]:
    """Every trip in a row where their number is known, else a loop on the host."""
    body = ctx.need_attr("body")
    _require_known(ctx, body)
    trips = _ENDLESS if ctx.operand(0) is None else ctx.number(0)
    goes_on = True if ctx.operand(1) is None else ctx.number(1)
    states = [ctx[index] for index in range(2, len(ctx.operands))]
    start = len(ctx.build.nodes)
    if trips is not None and goes_on is not None:
        done = _unrolled(ctx, body, int(trips) if goes_on else 0, states)
        if done is not None:
            return done
        withdraw(ctx.build, start)
    return _looped(ctx, body, states)


def _unrolled(
    ctx: Context, body: GraphProto, trips: int, states: list[Value]
) -> tuple[Value, ...] | None:
    """The results of `trips` trips, fewer if the condition ends it; None if that is not known."""
    count, size = len(states), sum(1 for _ in nested_nodes(body))
    made: list[list[Value]] = [[] for _ in body.output[1 + count :]]
    if not trips and made:
        return None
    for trip in range(min(trips, MAX_UNROLLED + 1)):
        if trip * size > MAX_UNROLLED:
            return None
        inputs = [ctx.const(trip, DType.i64), ctx.const(True, DType.bool), *states]
        condition, *results = ctx.scope.inline(body, inputs)
        states = results[:count]
        for column, result in zip(made, results[count:], strict=True):
            column.append(result)
        goes_on = number(condition)
        if goes_on is None:
            return None
        if not goes_on:
            break
    if any(not _same_types(column[:1] * len(column), column) for column in made):
        return None
    return (*states, *(_stacked(ctx, column) for column in made))


def _looped(ctx: Context, body: GraphProto, states: Sequence[Value]) -> tuple[Value, ...]:
    """A loop whose states have sizes that hold before and after every trip."""
    _refuse_lists(ctx, states)
    types = [value.tensor for value in states]
    while True:
        count = Value(TensorType(DType.i64, ()), name="trip")
        flag = Value(TensorType(DType.bool, ()), name="condition")
        inner = [Value(type, name=f"s{index}") for index, type in enumerate(types)]
        start = len(ctx.build.nodes)
        made = ctx.scope.inline(body, [count, flag, *inner])
        _refuse_lists(ctx, made)
        graph, read = enclose(ctx.build, start, body.name, [count, flag, *inner], made)
        after = [either(a, b.tensor) for a, b in zip(types, made[1:], strict=False)]
        if after == types:
            break
        types = after
    trips, goes_on = (_scalar(ctx, index, start) for index, start in enumerate((_ENDLESS, True)))
    return ctx.build.node(Loop(graph, len(types)), trips, goes_on, *states, *read).results


def _scalar(ctx: Context, index: int, default: int) -> Value:
    """Operand `index`, one number, without axes; `default` if the node leaves it out."""
    if ctx.operand(index) is None:
        return ctx.const(default, DType.bool if default is True else DType.i64)
    return ctx.build(Reshape(()), ctx[index])


@importer("Scan", since=9)
def scan(ctx: Context) -> tuple[Value, ...]:
    """Slices are brought to axis 0 and in the order of steps; results to where they belong."""
    body, count = ctx.need_attr("body"), ctx.need_attr("num_scan_inputs")
    _require_known(ctx, body)
    first = len(ctx.operands) - count
    if not 0 < count <= len(ctx.operands):
        raise NccError("invalid-model", f"{count} of {len(ctx.operands)} inputs cannot be scanned")
    states = [ctx[index] for index in range(first)]
    _refuse_lists(ctx, [ctx[index] for index in range(len(ctx.operands))])
    scanned = [_in_order(ctx, index, ctx[first + index]) for index in range(count)]
    slices = [value.tensor.with_shape(value.tensor.shape[1:]) for value in scanned]
    types = [*(value.tensor for value in states), *slices]
    formals = [Value(type, name=f"x{index}") for index, type in enumerate(types)]
    start = len(ctx.build.nodes)
    made = ctx.scope.inline(body, formals)
    _refuse_lists(ctx, made)
    graph, read = enclose(ctx.build, start, body.name, formals, made)
    results = ctx.build.node(Scan(graph, first, count), *states, *scanned, *read).results
    stacked = (_in_place(ctx, index, value) for index, value in enumerate(results[first:]))
    return (*results[:first], *stacked)


def _in_order(ctx: Context, index: int, x: Value) -> Value:
    """Scanned operand `index` with its steps along axis 0, the first one first."""
    axis = axis_of(_listed(ctx, "scan_input_axes", index), x.tensor.rank)
    others = [other for other in range(x.tensor.rank) if other != axis]
    return _directed(ctx, "scan_input_directions", index, ctx.build(Transpose((axis, *others)), x))


def _in_place(ctx: Context, index: int, x: Value) -> Value:
    """Stacked result `index` with its steps along the axis that the node says."""
    axis = axis_of(_listed(ctx, "scan_output_axes", index), x.tensor.rank)
    perm = [*range(1, x.tensor.rank)]
    perm.insert(axis, 0)
    moved = _directed(ctx, "scan_output_directions", index, x)
    return ctx.build(Transpose(tuple(perm)), moved)


def _directed(ctx: Context, name: str, index: int, x: Value) -> Value:
    """x, from its last slice to its first where the attribute says so."""
    steps = x.tensor.shape[0]
    if not _listed(ctx, name, index):
        return x
    if not isinstance(steps, int):
        raise unsupported(f"Scan from the end of {x.type}, whose steps the data counts")
    return part(ctx.build, x, 0, steps - 1, steps, -1) if steps else x


def _listed(ctx: Context, name: str, index: int) -> int:
    """Item `index` of a list of integers; 0 if the node gives no list."""
    found = ctx.attr(name)
    return int(found[index]) if found else 0


def _stacked(ctx: Context, values: Sequence[Value]) -> Value:
    """Values of one type along a new first axis."""
    single = Reshape((1, *values[0].tensor.shape))
    return ctx.build(Concat(0), *(ctx.build(single, value) for value in values))
