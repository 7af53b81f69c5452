"""Random small ONNX models: ops one after another, each on values that are there already."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

from tests.random_models import arithmetic, blocks, moves, windows
from tests.random_models.sketch import MisfitError, Sketch
from tests.suite.case import Case, seeded

MAX_NODES = 10
SIZES = (1, 2, 3, 5, 8, 16, 17)
MAX_INPUT = 4_000

OPS: tuple[Callable[[Sketch], None], ...] = (
    *(windows.conv, windows.conv, windows.conv, windows.transposed_conv),
    *(windows.pool, windows.pool, windows.resize),
    *(blocks.product, blocks.product, blocks.affine, blocks.attend, blocks.excite),
    *(blocks.shortcut, blocks.shortcut, blocks.permuted_shortcut),
    *(blocks.detect, blocks.detect, blocks.quantize),
    *(arithmetic.pointwise, arithmetic.combine, arithmetic.combine, arithmetic.clip),
    *(arithmetic.select, arithmetic.normalise, arithmetic.normalise_channels),
    *(arithmetic.reduce, arithmetic.relate, arithmetic.accumulate, arithmetic.best),
    *(moves.concat, moves.concat, moves.split, moves.transpose, moves.reshape, moves.slice_),
    *(moves.pad, moves.gather, moves.look_up, moves.repeat, moves.mix_depth),
)


def random_case(seed: int) -> Case:
    """The same model and inputs for the same seed."""
    sketch = Sketch(seed)
    for index in range(sketch.draw.choice([1, 2])):
        sketch.feed(seeded(*_shape(sketch), seed=seed + index))
    for op in sketch.draw.choices(OPS, k=3 * MAX_NODES):
        if len(sketch.nodes) < MAX_NODES:
            with contextlib.suppress(MisfitError):
                op(sketch)
    return Case(f"random {seed}", sketch.model(), sketch.inputs)


def _shape(s: Sketch) -> tuple[int, ...]:
    rank = s.draw.choice([2, 3, 4, 4, 4, 5])
    shape = [s.draw.choice([1, 2]), *s.draw.choices(SIZES, k=rank - 1)]
    while math.prod(shape) > MAX_INPUT:
        shape[shape.index(max(shape))] = 3
    return tuple(shape)
