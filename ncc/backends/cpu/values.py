"""Where values lie while a segment is lowered, and the copies that bring them where they must."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ncc.backends.cpu.kernels.borders import prepare_border
from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.nest import is_nest, nest
from ncc.backends.cpu.kernels.refine import may_refine
from ncc.backends.cpu.plan.layout import Layout, view_of
from ncc.backends.cpu.plan.placing import assign
from ncc.backends.cpu.plan.repeats import Repeats
from ncc.backends.cpu.storage.orders import channels_last, order_to_reshape, taps_first
from ncc.backends.cpu.storage.views import (
    View,
    dense_strides,
    dense_view,
    io_view,
    same_elements,
)
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.conv import Conv
from ncc.ir.types import TensorType


class Values:
    """The memory of every value of a device segment, and the calls so far.

    Calls that copy values, or fill the room around them, are added where they are first needed.
    """

    def __init__(
        self, graph: Graph, target: Target, constant: set[Value], table: WeightTable
    ) -> None:
        self.graph = graph
        self.target = target
        self.constant = constant
        self.table = table
        self.calls: list[Call] = []
        self.layout: Layout = assign(graph, constant, target)
        self.repeats = Repeats()
        self.joined: dict[Value, Node] = {}
        """Reshapes that would take a copy, until a reader needs one."""
        self.results = [
            io_view(value.tensor, len(graph.inputs) + index)
            for index, value in enumerate(graph.outputs)
        ]
        self.views = {value: io_view(value.tensor, i) for i, value in enumerate(graph.inputs)}

    def view(self, value: Value) -> View:
        """Where the elements of `value` lie."""
        if value in self.joined:
            self.views[value] = self._copied_view(self.joined.pop(value))
        if value not in self.views:
            assert value in self.constant, f"{value} is read before it is computed"
            self.views[value] = self.table.view(value)
        return self.views[value]

    def storage(self, value: Value) -> View:
        """Memory for a value that a call is about to write."""
        if value not in self.views:
            self.views[value] = self._new_storage(value)
        return self.views[value]

    def _new_storage(self, value: Value) -> View:
        type = value.tensor
        if value in self.layout.direct:
            whole = self.results[self.layout.direct[value]]
            strides = dense_strides(type.dims, self.layout.order[value])
            return replace(whole, shape=type.dims, strides=strides)
        if value in self.layout.place:
            place = self.layout.place[value]
            seen = place.seen_in(self.storage(place.parent))
            if seen is not None:
                return seen
        low, high = self.layout.halo.get(value, _nothing(value))
        inner, whole = self._allocate(value, self.layout.order[value], low, high)
        around = list(high)
        if any(high):
            around[self.layout.order[value][-1]] -= self.zeros(value.node)
        self._zeros_around(whole, low, around, value.node.locs if value.node else ())
        return inner

    def zeros(self, node: Node | None) -> int:
        """The zeros after each run of the only result of a nest, which stores them as well."""
        if node is None or len(node.results) != 1 or not is_nest(node):
            return 0
        halo = self.layout.halo.get(node.result)
        return halo[1][self.layout.order[node.result][-1]] if halo else 0

    def _allocate(
        self, value: Value, order: Sequence[int], low: Sequence[int], high: Sequence[int]
    ) -> tuple[View, View]:
        """A new memory for `value` with room around it: the view of the value, and of all."""
        type = value.tensor
        shape = tuple(map(sum, zip(type.dims, low, high, strict=True)))
        whole = dense_view(type.dtype, shape, order)
        return whole.sliced(low, type.dims, [1] * type.rank), whole

    def copy(self, source: View, into: View, locs: Locs, zeros: int = 0) -> None:
        """Copy the elements of `source`, and write `zeros` after each run."""
        if not into.size:
            return
        value = Value(TensorType(source.dtype, source.shape))
        body = Graph("copy", [value], [], [value])
        self.nest(body, [source], [into], locs, 0, zeros)

    def nest(
        self,
        body: Graph,
        inputs: Sequence[View],
        outputs: Sequence[View],
        locs: Locs,
        flops: int,
        zeros: int,
    ) -> None:
        """Compute `body`, which has no product; one kernel serves all calls of the same kind."""

        def make() -> Call:
            return nest(body, inputs, outputs, self.target, locs, flops, zeros=zeros)

        self.calls.append(self.repeats.call(body, inputs, outputs, zeros, locs, flops, make))

    def _zeros_around(
        self, whole: View, low: Sequence[int], high: Sequence[int], locs: Locs
    ) -> None:
        if any((*low, *high)):
            self.calls.append(prepare_border(whole, low, high, 0, locs))

    def alias(self, node: Node) -> None:
        """The result of a view op, without a copy where strides or its reader allow."""
        source = node.operands[0]
        seen = view_of(node, self.view(source))
        if seen is None and may_refine(self.graph, node.result):
            self.joined[node.result] = node
        else:
            self.views[node.result] = seen or self._copied_view(node)

    def _copied_view(self, node: Node) -> View:
        """The result of a view op that takes a copy of its operand."""
        (source,) = node.operands
        order = self.layout.copies.get(node) or order_to_reshape(
            self.view(source), node.result.tensor.dims
        )
        dense = self._copied(node, source, order)
        self.copy(self.view(source), dense, node.locs)
        seen = view_of(node, dense)
        assert seen is not None
        return seen

    def _copied(self, node: Node, source: Value, order: Sequence[int]) -> View:
        """Memory for the copy of its operand that a view takes."""
        place = self.layout.place_of_copy.get(node)
        seen = place.seen_in(self.storage(place.parent)) if place else None
        if seen is not None:
            return seen
        if node not in self.layout.direct_copies:
            return self._allocate(source, order, *_nothing(source))[0]
        whole, dims = self.results[self.layout.direct_copies[node]], source.tensor.dims
        return replace(whole, shape=dims, strides=dense_strides(dims, order))

    def put(self, value: Value, into: View, locs: Locs) -> None:
        """Copy a value into its place, unless it was computed there."""
        if not same_elements(self.view(value), into):
            self.copy(self.view(value), into, locs)

    def padded(self, value: Value, op: Conv, locs: Locs, spare: int = 0) -> View:
        """`value` with channels of stride 1 and the convolution's zeros around it.

        After its channels are `spare` ones of zeros.
        """
        low, high = (0, 0, *op.low), (0, spare, *op.high)
        view = self.view(value)
        held_low, held_high = self.layout.halo.get(value, _nothing(value))
        roomy = all(map(int.__le__, low, held_low)) and all(map(int.__le__, high, held_high))
        if roomy and (view.strides[1] == 1 or view.shape[1] == 1):
            return view
        inner, whole = self._allocate(value, channels_last(len(low)), low, high)
        self._zeros_around(whole, low, (*high[:1], 0, *high[2:]), locs)
        self.copy(view, inner, locs, spare)
        return inner

    def summed_last(self, left: Value, locs: Locs) -> View:
        """A left operand whose last axis, which is summed, has stride 1."""
        view = self.view(left)
        if view.strides[-1] == 1 or view.shape[-1] == 1:
            return view
        dense, _ = self._allocate(left, range(left.tensor.rank), *_nothing(left))
        self.copy(view, dense, locs)
        return dense

    def taps_first(self, right: Value, conv: Conv | None, locs: Locs) -> View:
        """A computed right operand as [..., K, N]; filters are copied with their taps first."""
        view = self.view(right)
        if conv is None:
            return view
        arranged = taps_first(view, conv.groups)
        dense = arranged.anew()
        self.copy(arranged, dense, locs)
        groups, *summed, columns = arranged.shape
        matrix = dense.reshaped((groups, math.prod(summed), columns))
        assert matrix is not None
        return matrix


def _nothing(value: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
    none = (0,) * value.tensor.rank
    return none, none
