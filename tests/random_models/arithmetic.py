"""Ops on elements and along axes."""

from __future__ import annotations

import numpy as np

from tests.random_models.sketch import Sketch
from tests.suite.case import seeded


def pointwise(s: Sketch) -> None:
    smooth = ["Sigmoid", "Tanh", "HardSwish", "Elu", "Erf", "Softplus", "Softsign", "Celu"]
    s.add(s.draw.choice([*smooth, "Relu", "LeakyRelu", "Abs", "Neg", "HardSigmoid"]), s.pick())


def clip(s: Sketch) -> None:
    low, high = (s.constant(np.array(bound, np.float32)) for bound in (-0.5, 1.0))
    s.add("Clip", s.pick(), *s.draw.choice([(low, high), (low,), ("", high)]))


def combine(s: Sketch) -> None:
    x = s.pick()
    equal = [name for name, shape in s.shapes.items() if shape == s.shapes[x]]
    shape = [size if s.draw.random() < 0.5 else 1 for size in s.shapes[x]]
    y = s.draw.choice([s.draw.choice(equal), s.weight(*shape[s.draw.randint(0, len(shape)) :])])
    s.add(s.draw.choice(["Add", "Sub", "Mul", "Max", "Min", "PRelu"]), x, y)


def select(s: Sketch) -> None:
    """By a constant mask, or where no rounding error changes much: at zero, for equal results."""
    x = s.pick()
    size = s.shapes[x][-1:] or (1,)
    if s.draw.random() < 0.5:
        mask = s.constant(seeded(*size, seed=len(s.constants)) > 0)
        s.add("Where", mask, *s.draw.sample([x, s.weight(*size)], 2))
    else:
        positive = s.add("Greater", x, s.floats(0))
        s.add("Where", positive, x, s.add("Mul", x, s.floats(0.25)))


def normalise(s: Sketch) -> None:
    x, axis = s.pick_axis(2)
    if s.draw.random() < 0.5:
        s.add(s.draw.choice(["Softmax", "Softmax", "LogSoftmax"]), x, axis=axis)
    else:
        s.add("LayerNormalization", x, s.weight(*s.shapes[x][axis:]), axis=axis, epsilon=0.01)


def normalise_channels(s: Sketch) -> None:
    x = s.pick(3)
    channels = s.shapes[x][1]
    weights = [s.weight(channels), s.weight(channels)]
    kind = s.draw.choice(["batch", "instance", "group"])
    if kind == "batch":
        mean, variance = s.weight(channels), s.floats(*np.linspace(0.5, 2, channels))
        s.add("BatchNormalization", x, *weights, mean, variance)
    elif kind == "instance":
        s.add("InstanceNormalization", x, *weights, epsilon=0.01)
    else:
        groups = s.divisor(channels)
        rows = s.add("Reshape", x, s.ints(0, groups, -1))
        ones = s.floats(*[1] * groups), s.floats(*[0] * groups)
        rows = s.add("InstanceNormalization", rows, *ones, epsilon=0.01)
        s.add("Reshape", rows, s.ints(*s.shapes[x]))


REDUCTIONS = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1"]


def reduce(s: Sketch) -> None:
    x = s.pick(1)
    axes = s.draw.sample(range(len(s.shapes[x])), s.draw.randint(1, len(s.shapes[x])))
    s.add(s.draw.choice(REDUCTIONS), x, axes=axes, keepdims=s.draw.choice([0, 1]))


def relate(s: Sketch) -> None:
    """What a reduction gives, spread over what was reduced."""
    x, axis = s.pick_axis()
    op_type = s.draw.choice(["Sub", "Add", "Max"])
    s.add(op_type, x, s.add(s.draw.choice(REDUCTIONS), x, axes=[axis], keepdims=1))


def accumulate(s: Sketch) -> None:
    x, axis = s.pick_axis()
    ways = {way: s.draw.choice([0, 1]) for way in ("exclusive", "reverse")}
    s.add("CumSum", x, s.constant(np.array(axis)), **ways)


def best(s: Sketch) -> None:
    x, axis = s.pick_axis()
    count = s.ints(s.draw.randint(1, s.shapes[x][axis]))
    s.add("TopK", x, count, outputs=2, axis=axis, largest=s.draw.choice([0, 1]))
