"""Ops that move elements."""

from __future__ import annotations

import numpy as np

from tests.random_models.sketch import Sketch


def concat(s: Sketch) -> None:
    x, axis = s.pick_axis()
    others = _but(s.shapes[x], axis)
    fitting = [
        name
        for name, shape in s.shapes.items()
        if len(shape) == len(s.shapes[x]) and _but(shape, axis) == others
    ]
    s.add("Concat", x, *s.draw.choices(fitting, k=s.draw.choice([1, 1, 2])), axis=axis)


def _but(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def split(s: Sketch) -> None:
    x, axis = s.pick_axis()
    first = s.draw.randint(1, 3)
    s.add("Split", x, s.ints(first, s.shapes[x][axis] - first), outputs=2, axis=axis)


def transpose(s: Sketch) -> None:
    x = s.pick(2)
    s.add("Transpose", x, perm=s.draw.sample(range(len(s.shapes[x])), len(s.shapes[x])))


def reshape(s: Sketch) -> None:
    x = s.pick(1)
    first, *others = s.shapes[x]
    last = s.shapes[x][-1]
    targets = [[-1], [first, -1], [-1, 1], [1, -1, *others], [-1, last], [first, -1, last]]
    s.add("Reshape", x, s.ints(*s.draw.choice(targets)))


def slice_(s: Sketch) -> None:
    x, axis = s.pick_axis()
    size = s.shapes[x][axis]
    start, end, step = s.draw.choice([(0, size, 1), (1, size, 1), (0, size, 2), (-1, -size, -1)])
    s.add("Slice", x, s.ints(start), s.ints(end), s.ints(axis), s.ints(step))


def pad(s: Sketch) -> None:
    x = s.pick(1)
    sizes = [s.draw.choice([0, 0, 2]) for _ in s.shapes[x] * 2]
    s.add("Pad", x, s.ints(*sizes), mode=s.draw.choice(["constant", "edge"]))


def gather(s: Sketch) -> None:
    x, axis = s.pick_axis()
    s.add("Gather", x, s.draw.choice([s.ints(-1, 0), s.constant(np.array(-1))]), axis=axis)


def look_up(s: Sketch) -> None:
    """Rows of a table, at places that are known only when the model runs."""
    x = s.pick_input()
    axis = s.draw.randrange(len(s.shapes[x]))
    places = s.add("ArgMax", x, axis=axis, keepdims=s.draw.choice([0, 1]))
    s.add("Gather", s.weight(s.shapes[x][axis], s.draw.choice([1, 5, 16])), places)


def repeat(s: Sketch) -> None:
    x = s.pick(1)
    s.add("Tile", x, s.ints(*(s.draw.choice([1, 1, 2]) for _ in s.shapes[x])))


def mix_depth(s: Sketch) -> None:
    """Blocks of channels to pixels, or of pixels to channels."""
    x = s.pick(4, 4)
    if s.draw.random() < 0.5 and s.shapes[x][1] % 4 == 0:
        s.add("DepthToSpace", x, blocksize=2, mode=s.draw.choice(["DCR", "CRD"]))
    else:
        _, _, height, width = s.shapes[x]
        even = s.add("Pad", x, s.ints(0, 0, 0, 0, 0, 0, height % 2, width % 2))
        s.add("SpaceToDepth", even, blocksize=2)
