"""Importers of RNN, GRU and LSTM: one product for the inputs of all steps, then a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ncc.diagnostics import NccError
from ncc.frontends.onnx import cells
from ncc.frontends.onnx.cells import Cell, Step
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.indexing import constant, counting, part
from ncc.ir.op import Elementwise, require, unsupported
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.compare import Less
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.exponential_units import Elu, Softplus, Softsign
from ncc.ir.ops.hyperbolic import Tanh
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.relu import LeakyRelu, Relu, ThresholdedRelu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.scan import Scan
from ncc.ir.ops.sigmoid import HardSigmoid, Sigmoid
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.where import Where

_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""By the name of the attribute: whether each direction starts at the last step."""

_ACTIVATIONS: dict[str, tuple[type[Elementwise], tuple[str, ...]]] = {
    "elu": (Elu, ("alpha",)),
    "hardsigmoid": (HardSigmoid, ("alpha", "beta")),
    "leakyrelu": (LeakyRelu, ("alpha",)),
    "relu": (Relu, ()),
    "sigmoid": (Sigmoid, ()),
    "softplus": (Softplus, ()),
    "softsign": (Softsign, ()),
    "tanh": (Tanh, ()),
    "thresholdedrelu": (ThresholdedRelu, ("alpha",)),
}
"""The op of each activation, and the numbers that it takes from the node."""


@importer("RNN")
def rnn(ctx: Context) -> tuple[Value, ...]:
    return _layer(ctx, cells.RNN)


@importer("GRU")
def gru(ctx: Context) -> tuple[Value, ...]:
    after = ctx.attr("linear_before_reset", 0)
    return _layer(ctx, cells.GRU_RESET_AFTER if after else cells.GRU)


@importer("LSTM")
def lstm(ctx: Context) -> tuple[Value, ...]:
    coupled = ctx.attr("input_forget", 0)
    return _layer(ctx, cells.LSTM_COUPLED if coupled else cells.LSTM)


def _layer(ctx: Context, cell: Cell) -> tuple[Value, ...]:
    """The first state after every step [steps, directions, batch, hidden], then each state after
    the last one [directions, batch, hidden]; with `layout` 1 batch stands before directions.

    Arithmetic is in the compute type of the input.
    """
    require(ctx.type(0).rank == 3, f"{ctx.node.op_type} takes three axes, not {ctx.type(0)}")
    if ctx.static_shape(0) is None:
        raise unsupported(f"{ctx.node.op_type} of {ctx.type(0)}, whose steps the data counts")
    ways = _DIRECTIONS.get(ctx.attr("direction", "forward"))
    if ways is None:
        raise NccError("invalid-model", f"a direction is one of {', '.join(_DIRECTIONS)}")
    _check_parameters(ctx, cell, len(ways))
    batch_first = bool(ctx.attr("layout", 0))
    x = _wide(ctx, ctx[0])
    layer = _Layer(ctx, cell, ctx.build(Transpose((1, 0, 2)), x) if batch_first else x, batch_first)
    runs = [layer.run(index, reverse) for index, reverse in enumerate(ways)]
    every, *last = zip(*runs, strict=True)
    y, *states = _stacked(ctx, every, 1), *(_stacked(ctx, state, 0) for state in last)
    if batch_first:
        y = ctx.build(Transpose((2, 0, 1, 3)), y)
        states = [ctx.build(Transpose((1, 0, 2)), state) for state in states]
    return tuple(ctx.cast(value, ctx.type(0).dtype) for value in (y, *states))


def _check_parameters(ctx: Context, cell: Cell, ways: int) -> None:
    """Whether weights, biases, states and peepholes are of as many directions and units."""
    hidden = ctx.need_attr("hidden_size")
    require(hidden > 0, f"hidden_size is {hidden}, not positive")
    rows = cell.gates * hidden
    wanted: dict[int, tuple[int | None, ...]] = {
        1: (ways, rows, ctx.type(0).dims[2]),
        2: (ways, rows, hidden),
        3: (ways, 2 * rows),
        5: (None, None, hidden),
        6: (None, None, hidden),
        7: (ways, 3 * hidden),
    }
    for index, dims in wanted.items():
        if ctx.operand(index) is None:
            continue
        found = ctx.type(index)
        fits = found.rank == len(dims) and all(
            size in {None, held} for size, held in zip(dims, found.dims, strict=True)
        )
        sizes = ", ".join("?" if size is None else str(size) for size in dims)
        require(fits, f"{found} does not fit: it takes [{sizes}]", operand=index)


@dataclass(frozen=True)
class _Layer:
    """A node of one of the three kinds, with its input x [steps, batch, features]."""

    ctx: Context
    cell: Cell
    x: Value
    batch_first: bool

    def run(self, direction: int, reverse: bool) -> tuple[Value, ...]:
        """The first state after every step [steps, batch, hidden], and the states at the end."""
        ctx, cell, build = self.ctx, self.cell, self.ctx.build
        w, r = (build(Transpose((1, 0)), self._own(i, direction)) for i in (1, 2))
        late, early = self._biases(direction)
        scanned = [build(Add(), build(MatMul(), self.x, w), early), *self._masks()]
        states = [self._initial(5 + index, direction) for index in range(cell.states)]
        peepholes = ctx.operand(7) and self._own(7, direction)
        shared = [r, *late, *([peepholes] if peepholes else [])]
        body = self._body(direction, states, scanned, shared)
        scan = Scan(body, len(states), len(scanned), reverse)
        *last, y = build.node(scan, *states, *scanned, *shared).results
        return y, *last

    def _body(
        self,
        direction: int,
        states: Sequence[Value],
        scanned: Sequence[Value],
        shared: Sequence[Value],
    ) -> Graph:
        """One step: the next states, then the first of them as the result of the step."""
        build = Builder()
        slices = [value.tensor.with_shape(value.tensor.shape[1:]) for value in scanned]
        types = [*(v.tensor for v in states), *slices, *(v.tensor for v in shared)]
        inputs = [Value(type, name=f"x{index}") for index, type in enumerate(types)]
        before, (gates, *mask) = inputs[: len(states)], inputs[len(states) :][: len(scanned)]
        rest = inputs[len(states) + len(scanned) :]
        clip = self.ctx.attr("clip", 0.0)
        limit = Clip(-clip, clip) if clip else None
        step = Step(build, before, gates, rest, self._activations(direction), limit)
        after = self.cell.step(step)
        y = after[0]
        if mask:
            y = build(Where(), *mask, y, constant(build, 0, y.tensor.dtype))
            pairs = zip(after, before, strict=True)
            after = tuple(build(Where(), *mask, new, old) for new, old in pairs)
        return Graph("step", inputs, build.nodes, [*after, y])

    def _own(self, index: int, direction: int) -> Value:
        """What operand `index` [directions, ...] holds for one direction."""
        whole = _wide(self.ctx, self.ctx[index])
        one = part(self.ctx.build, whole, 0, direction, 1)
        return self.ctx.build(Reshape(whole.tensor.shape[1:]), one)

    def _biases(self, direction: int) -> tuple[list[Value], Value]:
        """The bias that a step adds to its product, if any, and what all steps add to theirs."""
        build, hidden = self.ctx.build, self.ctx.need_attr("hidden_size")
        size, late = self.cell.gates * hidden, self.cell.late * hidden
        if self.ctx.operand(3) is None:
            zero = constant(build, 0, self.x.tensor.dtype)
            return [zero] if late else [], zero
        both = self._own(3, direction)
        early = build(Pad((0,), (late,)), part(build, both, 0, size, size - late))
        total = build(Add(), part(build, both, 0, 0, size), early)
        return [part(build, both, 0, 2 * size - late, late)] if late else [], total

    def _initial(self, index: int, direction: int) -> Value:
        """An initial state [batch, hidden]: of an operand, or zero."""
        given = self.ctx.operand(index)
        if given is None:
            batch, hidden = self.x.tensor.dims[1], self.ctx.need_attr("hidden_size")
            zero = constant(self.ctx.build, 0, self.x.tensor.dtype)
            return self.ctx.build(BroadcastTo((batch, hidden)), zero)
        if not self.batch_first:
            return self._own(index, direction)
        moved = self.ctx.build(Transpose((1, 0, 2)), _wide(self.ctx, given))
        one = part(self.ctx.build, moved, 0, direction, 1)
        return self.ctx.build(Reshape(moved.tensor.shape[1:]), one)

    def _masks(self) -> list[Value]:
        """Which steps [steps, batch, 1] each sequence has, unless all have all."""
        lengths = self.ctx.operand(4)
        steps, batch, _ = self.x.tensor.dims
        known = self.ctx.constant(4)
        if lengths is None or (known is not None and (known >= steps).all()):
            return []
        build = self.ctx.build
        place = counting(build, 3, 0, steps, lengths.tensor.dtype)
        return [build(Less(), place, build(Reshape((1, batch, 1)), lengths))]

    def _activations(self, direction: int) -> list[Elementwise]:
        """Those of one direction; parameters are given to the ones that take some, in order."""
        ctx, count = self.ctx, len(self.cell.activations)
        names = ctx.attr("activations") or self.cell.activations * 2
        given = {key: iter(ctx.attr(f"activation_{key}", ())) for key in ("alpha", "beta")}
        return [_activation(name, given) for name in names][direction * count :][:count]


def _activation(name: str, given: Mapping[str, Iterator[float]]) -> Elementwise:
    """The activation called `name`, with the next of the numbers that it takes."""
    if name.lower() not in _ACTIVATIONS:
        raise unsupported(f"activation {name} of a recurrent layer")
    op, keys = _ACTIVATIONS[name.lower()]
    found = {key: next(given[key], None) for key in keys}
    return op(**{key: value for key, value in found.items() if value is not None})


def _wide(ctx: Context, x: Value) -> Value:
    """x in the type that its arithmetic is done in."""
    return ctx.cast(x, x.tensor.dtype.compute)


def _stacked(ctx: Context, values: Sequence[Value], axis: int) -> Value:
    """The values along a new axis."""
    shape = values[0].tensor.shape
    single = Reshape((*shape[:axis], 1, *shape[axis:]))
    return ctx.build(Concat(axis), *(ctx.build(single, value) for value in values))
