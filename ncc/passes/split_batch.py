"""Run samples of a batch a few at a time through layers whose activations leave the caches.

    %0 = fused(%x) ... : f32[8, 64, 56, 56]
    %1 = fused(%0) ... : f32[8, 64, 56, 56]
becomes
    %0 = slice(%x) {starts = [0, 0, 0, 0], ...} : f32[4, 64, 56, 56]
    %1 = fused(%0) ... : f32[4, 64, 56, 56]
    %2 = fused(%1) ... : f32[4, 64, 56, 56]
    %3 = slice(%x) {starts = [4, 0, 0, 0], ...} : f32[4, 64, 56, 56]
    %4 = fused(%3) ... : f32[4, 64, 56, 56]
    %5 = fused(%4) ... : f32[4, 64, 56, 56]
    %6 = concat(%2, %5) {axis = 0} : f32[8, 64, 56, 56]

Each group reads the weights again. Where arithmetic hides that, all is well; where it does not, it
counts against what is saved, so that layers with more weights than activations stay whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.slice import Slice
from ncc.passes import graph_pass
from ncc.passes.rows import Parts, op_on_blocks, operands_by_blocks

CACHE = 40 << 20
"""Bytes of activations of a layer up to which its batch stays whole."""
SMALLEST = 16
"""Of that, this part is the least that a group should have."""
COUNTS = (16, 8, 4, 2)
"""Into how many groups a batch may be split, the first that is nearly as good as any."""
NEARLY = 0.9

_Group = tuple[int, int]
"""The first sample of a group and how many it has."""


@graph_pass
def split_batch(graph: Graph, *, hides: Callable[[Node], int], cache: int = CACHE) -> Graph:
    """`graph` with its batch, the first axis of its largest input, split where that pays.

    The arithmetic of a kernel `hides` so many bytes of weights that arrive meanwhile. A region of
    layers is split if one of them reads and writes more than `cache` bytes of activations.
    """
    batch = _batch(graph)
    if batch < 2:
        return graph
    regions = []
    for run in _runs(graph, batch, hides):
        if max((layer.moved for layer in run), default=0) > cache:
            region = _region(run, batch, cache)
            if _fits(graph, region):
                regions.append(region)
    return _Splitter(graph, batch, regions).graph() if regions else graph


@dataclass(frozen=True, slots=True)
class _Layer:
    """A node that keeps samples apart; of which operands a group reads its part alone.

    As a kernel, it reads and writes `moved` bytes that belong to samples, and `shared` others; as
    many as `hidden` of those arrive unnoticed while all samples are computed.
    """

    node: Node
    parts: Parts
    moved: int = 0
    shared: int = 0
    hidden: int = 0

    def saved(self, groups: int) -> int:
        """Bytes that need not come from afar in `groups` groups, less those that come again."""
        return self.moved - (groups - 1) * max(0, self.shared - self.hidden // groups)

    @property
    def apart(self) -> list[Value]:
        return list(itertools.compress(self.node.operands, self.parts))

    @property
    def whole(self) -> list[Value]:
        return [v for v, part in zip(self.node.operands, self.parts, strict=True) if not part]


def _batch(graph: Graph) -> int:
    largest = max(graph.inputs, key=lambda value: value.tensor.nbytes, default=None)
    return largest.tensor.dims[0] if largest is not None and largest.tensor.rank else 1


def _runs(graph: Graph, batch: int, hides: Callable[[Node], int]) -> Iterator[list[_Layer]]:
    """Layers one after the other, none of which needs all samples of another, in order."""
    run: list[_Layer] = []
    inside: set[Value] = set()
    for node in graph.nodes:
        if node.is_constant:
            continue
        layer = _layer(node, batch, hides)
        if layer is None or not inside.isdisjoint(layer.whole):
            yield run
            run, inside = [], set()
        if layer is not None:
            run.append(layer)
            inside.update(node.results)
    yield run


def _layer(node: Node, batch: int, hides: Callable[[Node], int]) -> _Layer | None:
    """What `node` does with samples; None if it mixes them, or if weights are part of them."""
    parts = operands_by_blocks(node, batch)
    if parts is None:
        return None
    layer = _Layer(node, parts)
    apart, whole = dict.fromkeys(layer.apart), dict.fromkeys(layer.whole)
    if any(value.is_constant or value in whole for value in apart):
        return None
    if not isinstance(node.op, Fused):
        return layer
    moved = _nbytes([*apart, *node.results])
    return replace(layer, moved=moved, shared=_nbytes(whole), hidden=hides(node))


def _nbytes(values: Iterable[Value]) -> int:
    return sum(value.tensor.nbytes for value in values)


@dataclass(frozen=True, slots=True)
class _Region:
    """Layers that follow each other, and the groups of samples that each is run for."""

    layers: Sequence[_Layer]
    groups: Sequence[_Group]
    saved: int

    @property
    def values(self) -> list[Value]:
        """What is computed inside."""
        return [value for layer in self.layers for value in layer.node.results]

    def results(self, graph: Graph) -> list[Value]:
        """What is computed inside and read elsewhere."""
        nodes = {layer.node for layer in self.layers}
        read = {value for value in self.values if not nodes.issuperset(graph.uses.get(value, ()))}
        return [value for value in self.values if value in {*read, *graph.outputs}]


def _region(run: Sequence[_Layer], batch: int, cache: int) -> _Region:
    """The part of `run` that saves the most, in as many groups as are nearly as good as any."""
    most = max(layer.moved for layer in run)
    counts = [count for count in COUNTS if count <= min(batch, most * SMALLEST // cache)]
    found = [_best(run, _groups(batch, count)) for count in counts]
    enough = NEARLY * max((region.saved for region in found), default=0)
    return next((r for r in found if r.saved >= enough), _Region([], [], 0))


def _groups(batch: int, count: int) -> list[_Group]:
    ends = [batch * index // count for index in range(count + 1)]
    return [(start, end - start) for start, end in itertools.pairwise(ends)]


def _best(run: Sequence[_Layer], groups: Sequence[_Group]) -> _Region:
    """The part of `run` that saves the most in such groups."""
    best, first, last = 0, 0, 0
    start = total = 0
    for index, layer in enumerate(run):
        if total <= 0:
            start, total = index, 0
        total += layer.saved(len(groups))
        if total > best:
            best, first, last = total, start, index + 1
    return _Region(run[first:last], groups, best)


def _fits(graph: Graph, region: _Region) -> bool:
    """Whether a region needs no more memory in groups than it does as a whole.

    What groups read that is not given, and what they make, is there while all of them run.
    """
    most = max((layer.moved for layer in region.layers), default=0)
    read = {value for layer in region.layers for value in layer.apart}
    outside = _nbytes(read - {*region.values, *graph.inputs}) + _nbytes(region.results(graph))
    return outside + most // max(1, len(region.groups)) < most


class _Splitter:
    """Rebuilds a graph with the layers of each region once for every group."""

    def __init__(self, graph: Graph, batch: int, regions: Sequence[_Region]) -> None:
        self.original = graph
        self.batch = batch
        self.regions = {region.layers[0].node: region for region in regions}
        self.inside = {layer.node for region in regions for layer in region.layers}
        self.build = Builder()
        self.mapped: dict[Value, Value] = {}

    def graph(self) -> Graph:
        graph = self.original
        self.build.nodes += [node for node in graph.nodes if node.is_constant]
        for node in graph.nodes:
            if node in self.regions:
                self.split(self.regions[node])
            elif node not in self.inside and not node.is_constant:
                operands = [self.mapped.get(value, value) for value in node.operands]
                made = self.build.append(self.build.again(node, operands))
                self.mapped.update(zip(node.results, made.results, strict=True))
        outputs = [self.mapped.get(value, value) for value in graph.outputs]
        return Graph(graph.name, graph.inputs, self.build.nodes, outputs, graph.output_names)

    def split(self, region: _Region) -> None:
        """The layers of a region for one group after the other, and their results joined."""
        counts = dict.fromkeys(count for _, count in region.groups)
        ops = {
            (layer.node, count): op_on_blocks(layer.node, count, self.batch)
            for layer in region.layers
            for count in counts
        }
        parts: list[Mapping[Value, Value]] = []
        for start, count in region.groups:
            own: dict[Value, Value] = {}
            for layer in region.layers:
                self.build.locs = layer.node.locs
                operands = [
                    self.part(value, start, count, own) if apart else self.mapped.get(value, value)
                    for value, apart in zip(layer.node.operands, layer.parts, strict=True)
                ]
                made = self.build.node(ops[layer.node, count], *operands)
                own.update(zip(layer.node.results, made.results, strict=True))
            parts.append(own)
        for value in region.results(self.original):
            self.build.locs = value.node.locs if value.node else ()
            self.mapped[value] = self.build(Concat(0), *(own[value] for own in parts))

    def part(self, value: Value, start: int, count: int, own: dict[Value, Value]) -> Value:
        """What a group has of a value: `own`, which gets it if it was computed outside."""
        if value not in own:
            whole = self.mapped.get(value, value)
            rows, *others = whole.tensor.dims
            rows //= self.batch
            first = (start * rows, *(0 for _ in others))
            taken = Slice(first, (count * rows, *others), (1,) * len(first))
            own[value] = self.build(taken, whole)
        return own[value]
