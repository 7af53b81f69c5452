"""scan: a graph applied to one slice after the other, handing on its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.indexing import part
from ncc.ir.interpret import interpret
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.branch import stacked
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import Dim, TensorType

MAX_UNROLLED = 1 << 17
"""Nodes that the steps of one scan may become; longer ones run on the host."""


@op("scan")
class Scan(Op):
    """`body` applied to each slice along axis 0 of the scanned operands, in order.

    Operands are `states` initial states, `scanned` tensors [steps, ...], then what all steps share.
    The body takes the states, one slice [...] of each scanned tensor and the shared operands; it
    gives the next states and then slices. Results are the last states and those slices stacked,
    [steps, ...]. With `reverse` the last slice comes first; slices keep their places.
    """

    body: Graph
    states: int
    scanned: int = 1
    reverse: bool = False

    def infer(self, *operands: TensorType) -> tuple[TensorType, ...]:
        require(
            len(operands) == len(self.body.inputs) and self.states <= len(self.body.outputs),
            f"the body takes {len(self.body.inputs)} operands, not {len(operands)}",
        )
        steps = self._steps(operands)
        for index, operand in enumerate(operands):
            given = operand.with_shape(operand.shape[1:]) if self._is_scanned(index) else operand
            wanted = self.body.inputs[index].type
            require(
                given == wanted,
                f"operand {index} gives {given} to a step, the body takes {wanted}",
                operand=index,
            )
        results = [value.tensor for value in self.body.outputs]
        for index, state in enumerate(results[: self.states]):
            require(
                state == operands[index],
                f"state {index} is {operands[index]} before a step and {state} after it",
                operand=index,
            )
        stacked = (made.with_shape((steps, *made.shape)) for made in results[self.states :])
        return (*results[: self.states], *stacked)

    def eval(self, *operands: Array) -> tuple[Array, ...]:
        return self._run(
            operands,
            len(operands[self.states]),
            step=lambda inputs: interpret(self.body, inputs),
            take=lambda x, index: x[index],
            stack=lambda index, made: stacked(made, self.body.outputs[self.states + index].tensor),
        )

    def decompose(self, build: Builder, *operands: Value) -> tuple[Value, ...] | None:
        """The nodes of every step; None for steps that are none, unknown, or too many."""
        steps = self._steps([value.tensor for value in operands])
        if not isinstance(steps, int) or not 0 < steps * len(self.body.nodes) <= MAX_UNROLLED:
            return None
        return self._run(
            operands,
            steps,
            step=lambda inputs: build.inline(self.body, inputs, build.locs),
            take=lambda x, index: _slice_of(build, x, index),
            stack=lambda _, made: build(Concat(0), *(_with_axis(build, x) for x in made)),
        )

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        steps = self._steps(operands)
        return steps * sum(node.flops for node in self.body.nodes) if isinstance(steps, int) else 0

    def _run(
        self,
        operands: Sequence[Any],
        steps: int,
        *,
        step: Callable[[Sequence[Any]], Sequence[Any]],
        take: Callable[[Any, int], Any],
        stack: Callable[[int, list[Any]], Any],
    ) -> tuple[Any, ...]:
        """The results, given how to do a step, take a slice, and stack what the steps made."""
        first = self.states + self.scanned
        states, scanned = list(operands[: self.states]), operands[self.states : first]
        made: list[list[Any]] = [[] for _ in self.body.outputs[self.states :]]
        for index in reversed(range(steps)) if self.reverse else range(steps):
            slices = [take(x, index) for x in scanned]
            results = step([*states, *slices, *operands[first:]])
            states = list(results[: self.states])
            for column, result in zip(made, results[self.states :], strict=True):
                column.append(result)
        if self.reverse:
            made = [column[::-1] for column in made]
        return (*states, *(stack(index, column) for index, column in enumerate(made)))

    def _is_scanned(self, index: int) -> bool:
        return self.states <= index < self.states + self.scanned

    def _steps(self, operands: Sequence[TensorType]) -> Dim:
        """The size that the scanned operands have along axis 0."""
        found: list[Dim] = []
        for index in range(self.states, self.states + self.scanned):
            require(operands[index].rank, "a scalar has no slices to scan", operand=index)
            found.append(operands[index].shape[0])
        require(found, "a scan needs an operand to go along")
        require(all(size == found[0] for size in found), f"{found} slices do not go together")
        return found[0]


def _slice_of(build: Builder, x: Value, index: int) -> Value:
    return build(Reshape(x.tensor.shape[1:]), part(build, x, 0, index, 1))


def _with_axis(build: Builder, x: Value) -> Value:
    return build(Reshape((1, *x.tensor.shape)), x)
