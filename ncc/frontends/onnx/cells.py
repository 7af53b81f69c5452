"""One step of RNN, GRU and LSTM, as a graph.

Equations and the order of gates are those of the ONNX operator specification. A step takes the
states, the gates as far as they come from the input, [batch, gates * hidden], and what all steps
share: the recurrent weights [hidden, gates * hidden], then what the cell says.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import constant, part
from ncc.ir.op import Elementwise
from ncc.ir.ops.arithmetic import Add, Mul, Sub
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.matmul import MatMul


@dataclass(frozen=True)
class Step:
    """What a cell sees of one step; `activations` are applied in the order of the specification."""

    build: Builder
    states: Sequence[Value]
    gates: Value
    shared: Sequence[Value]
    activations: Sequence[Elementwise]
    clip: Clip | None

    @property
    def hidden(self) -> int:
        """Elements of one state."""
        return self.states[0].tensor.dims[1]

    def gate(self, x: Value, index: int, count: int = 1) -> Value:
        """`count` gates of x from number `index` on; they lie on its last axis."""
        size = self.hidden
        return part(self.build, x, x.tensor.rank - 1, index * size, count * size)

    def active(self, x: Value, index: int) -> Value:
        """Activation `index` of x, x clipped first."""
        return self.build(self.activations[index], self.build(self.clip, x) if self.clip else x)

    def add(self, a: Value, b: Value) -> Value:
        return self.build(Add(), a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self.build(Mul(), a, b)

    def from_state(self, x: Value, index: int, count: int) -> Value:
        """x times the recurrent weights of `count` gates from number `index` on."""
        return self.build(MatMul(), x, self.gate(self.shared[0], index, count))


@dataclass(frozen=True)
class Cell:
    """A kind of layer: its gates and states, and how a step makes the next states.

    A step adds the recurrent bias of the last `late` gates itself.
    """

    gates: int
    states: int
    activations: tuple[str, ...]
    step: Callable[[Step], tuple[Value, ...]]
    late: int = 0


def rnn(step: Step) -> tuple[Value, ...]:
    """f(x W + h R)"""
    (h,) = step.states
    return (step.active(step.add(step.gates, step.from_state(h, 0, 1)), 0),)


def gru(step: Step) -> tuple[Value, ...]:
    """The reset gate r takes part of h before it is multiplied: (r * h) R."""
    (h,) = step.states
    early = step.add(step.gate(step.gates, 0, 2), step.from_state(h, 0, 2))
    update, reset = (step.active(step.gate(early, index), 0) for index in range(2))
    recurrent = step.from_state(step.mul(reset, h), 2, 1)
    candidate = step.active(step.add(step.gate(step.gates, 2), recurrent), 1)
    return (_between(step, update, h, candidate),)


def gru_reset_after(step: Step) -> tuple[Value, ...]:
    """The reset gate r takes part of the product: r * (h R + b), b being shared operand 1."""
    (h,) = step.states
    product = step.from_state(h, 0, 3)
    early = step.add(step.gate(step.gates, 0, 2), step.gate(product, 0, 2))
    update, reset = (step.active(step.gate(early, index), 0) for index in range(2))
    recurrent = step.mul(reset, step.add(step.gate(product, 2), step.shared[1]))
    candidate = step.active(step.add(step.gate(step.gates, 2), recurrent), 1)
    return (_between(step, update, h, candidate),)


def _between(step: Step, update: Value, h: Value, candidate: Value) -> Value:
    """(1 - z) * candidate + z * h"""
    return step.add(step.mul(_rest(step, update), candidate), step.mul(update, h))


def _rest(step: Step, gate: Value) -> Value:
    return step.build(Sub(), constant(step.build, 1, gate.tensor.dtype), gate)


def _forget_gate(step: Step, early: Value, take: Value) -> Value:
    return step.active(_with_peephole(step, step.gate(early, 2), 2, step.states[1]), 0)


def _what_is_not_taken(step: Step, early: Value, take: Value) -> Value:
    return _rest(step, take)


def lstm(
    step: Step, keep: Callable[[Step, Value, Value], Value] = _forget_gate
) -> tuple[Value, ...]:
    """Gates input, output, forget, cell; shared operand 1 are peepholes of the first three."""
    h, c = step.states
    early = step.add(step.gates, step.from_state(h, 0, 4))
    take = step.active(_with_peephole(step, step.gate(early, 0), 0, c), 0)
    new = step.active(step.gate(early, 3), 1)
    c = step.add(step.mul(keep(step, early, take), c), step.mul(take, new))
    give = step.active(_with_peephole(step, step.gate(early, 1), 1, c), 0)
    return step.mul(give, step.build(step.activations[2], c)), c


def _with_peephole(step: Step, gate: Value, index: int, c: Value) -> Value:
    """`gate` as cell state c shifts it."""
    if len(step.shared) == 1:
        return gate
    return step.add(gate, step.mul(step.gate(step.shared[1], index), c))


lstm_coupled = functools.partial(lstm, keep=_what_is_not_taken)
"""lstm with input_forget: what is not taken in is kept."""

RNN = Cell(1, 1, ("Tanh",), rnn)
GRU = Cell(3, 1, ("Sigmoid", "Tanh"), gru)
GRU_RESET_AFTER = Cell(3, 1, ("Sigmoid", "Tanh"), gru_reset_after, late=1)
LSTM = Cell(4, 2, ("Sigmoid", "Tanh", "Tanh"), lstm)
LSTM_COUPLED = Cell(4, 2, ("Sigmoid", "Tanh", "Tanh"), lstm_coupled)
