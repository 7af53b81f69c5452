"""loop: a graph applied as often as the data says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.branch import either, require_flag, stacked
from ncc.ir.types import UNKNOWN, DType, TensorType


@op("loop")
class Loop(Op):
    """`body` applied at most `trips` times, as long as the condition holds.

    Operands are trips (i64, none below 0), the condition, `states` states, then what every trip
    reads. The body takes the number of the trip, the condition, the states and the rest; it gives
    the condition, the states and further tensors. Results are the last states and those tensors
    of every trip, stacked.
    """

    host_only = True

    body: Graph
    states: int

    def infer(
        self, trips: TensorType, condition: TensorType, *operands: TensorType
    ) -> tuple[TensorType, ...]:
        require_flag(condition)
        require(
            trips.dtype is DType.i64 and trips.is_static and trips.size == 1,
            f"trips are one i64, not {trips}",
        )
        wanted = [value.tensor for value in self.body.inputs[2:]]
        require(len(operands) == len(wanted), f"the body takes {wanted}, not {list(operands)}")
        _, *results = (value.tensor for value in self.body.outputs)
        after = results[: self.states]
        for given, made, inside in zip(operands, after, wanted, strict=False):
            require(
                either(given, inside) == either(made, inside) == inside,
                f"a state is {given} at first, {made} after a trip, and the body takes {inside}",
            )
        return (
            *wanted[: self.states],
            *(made.with_shape((UNKNOWN, *made.shape)) for made in results[self.states :]),
        )

    def eval(self, trips: Array, condition: Array, *operands: Any) -> tuple[Any, ...]:
        states, shared = list(operands[: self.states]), operands[self.states :]
        made: list[list[Any]] = [[] for _ in self.body.outputs[1 + self.states :]]
        trip = 0
        while trip < trips.item() and condition.item():
            inputs = [np.array(trip), condition.reshape(()), *states, *shared]
            condition, *results = interpret(self.body, inputs)
            states = results[: self.states]
            for column, result in zip(made, results[self.states :], strict=True):
                column.append(result)
            trip += 1
        kinds = (value.tensor for value in self.body.outputs[1 + self.states :])
        return (*states, *map(stacked, made, kinds))
