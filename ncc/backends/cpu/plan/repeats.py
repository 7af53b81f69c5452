"""Kernels made once: calls that differ only in where their operands lie share one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from ncc.backends.cpu.kernels.builder import Call, pointer_to
from ncc.backends.cpu.loopir.loops import Kernel, Role
from ncc.backends.cpu.storage.views import View
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Value


class Repeats:
    """The kernels made so far, by what was computed on views of which shapes."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Kernel, tuple[int, ...]]] = {}

    def call(
        self,
        body: Graph,
        inputs: Sequence[View],
        outputs: Sequence[View],
        zeros: int,
        locs: Locs,
        flops: int,
        make: Callable[[], Call],
    ) -> Call:
        """A call that is equal to `make()`, which is made only if no equal kernel is known."""
        key = (_structure(body), tuple(map(_shape, (*inputs, *outputs))), zeros)
        pointers = [pointer_to(view, Role.input) for view in inputs]
        pointers += [pointer_to(view, Role.output, zeros) for view in outputs]
        if key not in self._known:
            made = make()
            if all(pointer in pointers for pointer in made.pointers):
                order = tuple(pointers.index(pointer) for pointer in made.pointers)
                self._known[key] = made.kernel, order
            return made
        kernel, order = self._known[key]
        return Call(kernel, tuple(pointers[position] for position in order), locs, flops)


def _shape(view: View) -> Hashable:
    return view.dtype, view.shape, view.strides


def _structure(body: Graph) -> Hashable:
    """Equal for bodies that compute the same, whatever their values are called."""
    numbers: dict[Value, int] = {value: index for index, value in enumerate(body.inputs)}
    nodes = []
    for node in body.nodes:
        nodes.append((node.op, tuple(numbers[value] for value in node.operands)))
        numbers.update((value, len(numbers) + index) for index, value in enumerate(node.results))
    types = tuple(value.type for value in body.inputs)
    return types, tuple(nodes), tuple(numbers[value] for value in body.outputs)
