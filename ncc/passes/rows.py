"""What ops do with the first axis: which rows of the operands the rows of a result depend on.

A value is cut into equal blocks of rows, such as the samples of a batch. An op keeps blocks apart
when each block of its results is computed from the same block of some operands, and all of the
others, by the same op but for a size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import Elementwise, Op
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import Reduce
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.pool import Pool

Parts = tuple[bool, ...]
"""For each operand, whether a block of it is needed; if not, all of it is."""


def operands_by_blocks(node: Node, blocks: int) -> Parts | None:
    """What one of `blocks` blocks of the results depends on; None if the op mixes them."""
    rule = next((rule for kinds, rule in _RULES if isinstance(node.op, kinds)), None)
    parts = rule(node, blocks) if rule else None
    if parts is None:
        return None
    cut = [value for value, part in zip(node.operands, parts, strict=True) if part]
    whole = all(_is_whole(value, blocks) for value in (*cut, *node.results))
    return parts if whole else None


def op_on_blocks(node: Node, blocks: int, of: int) -> Op:
    """The op of `node`, which keeps `of` blocks apart, for `blocks` of them."""
    op = node.op
    rows = _rows(node.results[0], blocks, of)
    if isinstance(op, Fused):
        return Fused(_body_on_blocks(op.body, blocks, of))
    if isinstance(op, Reshape | BroadcastTo):
        return replace(op, shape=(rows, *op.shape[1:]))
    if isinstance(op, Slice):
        return replace(op, sizes=(rows, *op.sizes[1:]))
    return op


def _is_whole(value: Value, blocks: int) -> bool:
    """Whether the rows of `value` are some for each block."""
    dims = value.tensor.dims
    return len(dims) > 0 and dims[0] > 0 and dims[0] % blocks == 0


def _rows(value: Value, blocks: int, of: int) -> int:
    return value.tensor.dims[0] // of * blocks


def _body_on_blocks(body: Graph, blocks: int, of: int) -> Graph:
    cut = _cut(body, of)
    assert cut is not None, "a body that mixes blocks"
    build = Builder()
    mapped: dict[Value, Value] = {}
    for value in body.inputs:
        shape = (_rows(value, blocks, of), *value.tensor.dims[1:])
        type = value.tensor.with_shape(shape) if cut[value] else value.type
        mapped[value] = Value(type, name=value.name)
    for node in body.nodes:
        op = op_on_blocks(node, blocks, of) if cut[node.results[0]] else node.op
        made = build.node(op, *(mapped[value] for value in node.operands), locs=node.locs)
        mapped.update(zip(node.results, made.results, strict=True))
    inputs, outputs = ([mapped[v] for v in values] for values in (body.inputs, body.outputs))
    return Graph(body.name, inputs, build.nodes, outputs)


def _cut(body: Graph, blocks: int) -> dict[Value, bool] | None:
    """For each value whether a block of it is needed, or all; None if blocks are mixed."""
    cut = dict.fromkeys(body.outputs, True)
    for node in reversed(body.nodes):
        asked = {cut.get(value) for value in node.results}
        parts = operands_by_blocks(node, blocks) if True in asked else _none(node)
        if parts is None or len(asked) > 1 or None in asked:
            return None
        for value, part in zip(node.operands, parts, strict=True):
            if cut.setdefault(value, part) is not part:
                return None
    return cut if all(value in cut for value in body.inputs) else None


def _none(node: Node) -> Parts:
    return (False,) * len(node.operands)


def _aligned(node: Node, blocks: int) -> Parts:
    """Operands that are broadcast along new axes, or of one row, are the same for all blocks."""
    shape = node.results[0].tensor.dims
    return tuple(
        value.tensor.rank == len(shape) and value.tensor.dims[:1] == shape[:1]
        for value in node.operands
    )


def _first(node: Node, blocks: int) -> Parts:
    return (True, *_none(node)[1:])


def _product(node: Node, blocks: int) -> Parts:
    """Rows of the left matrix, or matrices of each operand that has some for each block."""
    return _first(node, blocks) if node.result.tensor.rank == 2 else _aligned(node, blocks)


def _gathered(node: Node, blocks: int) -> Parts:
    """Indices into all of the rows, or into what lies behind one."""
    assert isinstance(node.op, Gather)
    return (True, False) if node.op.axis else (False, True)


def _fused(node: Node, blocks: int) -> Parts | None:
    assert isinstance(node.op, Fused)
    cut = _cut(node.op.body, blocks)
    return None if cut is None else tuple(cut[value] for value in node.op.body.inputs)


def _all_if_free(node: Node, blocks: int) -> Parts | None:
    return (True,) * len(node.operands) if _leaves_rows(node) else None


def _leaves_rows(node: Node) -> bool:
    """Whether an op of any shapes does nothing along the first axis."""
    match node.op:
        case Transpose(perm=perm):
            return perm[:1] == (0,)
        case Slice(starts=starts, sizes=sizes, steps=steps):
            rows = node.operands[0].tensor.dims[:1]
            return (starts[:1], sizes[:1], steps[:1]) == ((0,), rows, (1,))
        case Pad(low=low, high=high):
            return low[:1] == high[:1] == (0,)
        case Concat(axis=axis):
            return axis != 0
        case Reduce(axes=axes):
            return 0 not in axes
    return isinstance(node.op, Reshape)


_Rule = Callable[[Node, int], Parts | None]
_RULES: Sequence[tuple[tuple[type[Op], ...], _Rule]] = (
    ((Elementwise, BroadcastTo), _aligned),
    ((Conv, Pool), _first),
    ((MatMul,), _product),
    ((Gather,), _gathered),
    ((Fused,), _fused),
    ((Reshape, Transpose, Slice, Pad, Concat, Reduce), _all_if_free),
)
