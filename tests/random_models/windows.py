"""Ops that slide windows over images of one to three axes, or sample them."""

from __future__ import annotations

from tests.random_models.sketch import MisfitError, Sketch

ODD = [1, 2, 8, 17, 33, 65]
"""Numbers of filters, most of which fill no vector."""


def conv(s: Sketch) -> None:
    x = s.pick(3, 5)
    _, channels, *spatial = s.shapes[x]
    groups = s.draw.choice([1, 1, channels, s.divisor(channels)])
    filters = groups * s.draw.choice(ODD if groups == 1 else [1, 2, 3])
    kernel = [s.draw.choice([1, 2, 3]) for _ in spatial]
    dilations = [s.draw.choice([1, 1, 2]) for _ in spatial]
    pads = [s.draw.choice([0, 1, 2]) for _ in spatial * 2]
    before, after = pads[: len(spatial)], pads[len(spatial) :]
    for size, taps, step, low, high in zip(spatial, kernel, dilations, before, after, strict=True):
        if (taps - 1) * step >= size + low + high:
            raise MisfitError
    weight = s.weight(filters, channels // groups, *kernel)
    s.add(
        "Conv",
        *([x, weight] if s.draw.random() < 0.5 else [x, weight, s.weight(filters)]),
        group=groups,
        strides=[s.draw.choice([1, 1, 2]) for _ in spatial],
        dilations=dilations,
        pads=pads,
    )


def transposed_conv(s: Sketch) -> None:
    x = s.pick(3, 5)
    _, channels, *spatial = s.shapes[x]
    groups = s.draw.choice([1, 1, s.divisor(channels)])
    filters = s.draw.choice([1, 3, 17])
    strides = [s.draw.choice([1, 2, 3]) for _ in spatial]
    s.add(
        "ConvTranspose",
        x,
        s.weight(channels, filters, *(s.draw.choice([1, 2, 3]) for _ in spatial)),
        s.weight(filters * groups),
        group=groups,
        strides=strides,
        output_padding=[s.draw.randrange(stride) for stride in strides],
        pads=[s.draw.choice([0, 0, 1]) for _ in spatial * 2],
    )


def pool(s: Sketch) -> None:
    """Each window holds an element: opsets count those that hold none differently."""
    x = s.pick(3, 5)
    rounds_up = s.draw.random() < 0.3
    kernel = [s.draw.choice([2, 3] if rounds_up else [1, 2, 3]) for _ in s.shapes[x][2:]]
    pads = [size // 2 for size in kernel]
    s.add(
        s.draw.choice(["MaxPool", "AveragePool"]),
        x,
        kernel_shape=kernel,
        strides=[s.draw.choice([1, 2]) for _ in kernel],
        pads=pads + ([0] * len(pads) if rounds_up else pads),
        ceil_mode=int(rounds_up),
    )


def resize(s: Sketch) -> None:
    x = s.pick(4, 4)
    mode = s.draw.choice(["nearest", "linear"])
    if s.draw.random() < 0.5:
        s.add("Resize", x, "", s.floats(1, 1, 2, 2), mode=mode)
    else:
        size = s.draw.choice([3, 8, 12]), s.draw.choice([1, 5, 20])
        s.add("Resize", x, "", "", s.ints(*s.shapes[x][:2], *size), mode=mode)
